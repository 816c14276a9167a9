package main

// office is where people work: an organizational unit below OU=People.
type office struct {
	name, phone string
	people      []person
}

type person struct{ first, last, login, mailbox string }

// domain is the directory's DNS name, and the Source of the users from there.
const domain = "corp.example"

func (p person) email() string { return p.mailbox + "@" + domain }

// offices are the company as it was when its people were imported.
func offices() []office {
	return []office{
		{"Berlin", "+49 30 5550", []person{
			{"Zoë", "Müller", "zmueller", "zoe.mueller"},
			{"Jürgen", "Groß", "jgross", "juergen.gross"},
			{"Ayşe", "Yılmaz", "ayilmaz", "ayse.yilmaz"},
			{"Łukasz", "Wójcik", "lwojcik", "lukasz.wojcik"},
			{"Margarethe", "von Ahn", "mvonahn", "margarethe.vonahn"},
			{"Emeka", "Nwosu", "enwosu", "emeka.nwosu"},
		}},
		{"Reykjavík", "+354 555", []person{
			{"Björn", "Þórsson", "bthorsson", "bjorn.thorsson"},
			{"Sigríður", "Jónsdóttir", "sjonsdottir", "sigridur.jonsdottir"},
			{"Guðrún", "Ólafsdóttir", "golafsdottir", "gudrun.olafsdottir"},
			{"Aoife", "Byrne", "abyrne", "aoife.byrne"},
			{"Kwame", "Mensah", "kmensah", "kwame.mensah"},
		}},
		{"São Paulo", "+55 11 5550", []person{
			{"José", "Araújo", "jaraujo", "jose.araujo"},
			{"Conceição", "Duarte", "cduarte", "conceicao.duarte"},
			{"João", "Guimarães", "jguimaraes", "joao.guimaraes"},
			{"María José", "Núñez", "mjnunez", "mariajose.nunez"},
			{"Takumi", "Hayashi", "thayashi", "takumi.hayashi"},
		}},
		{"Hà Nội", "+84 24 5550", []person{
			{"Minh Anh", "Nguyễn", "anhnm", "anh.nguyen"},
			{"Đức Huy", "Trần", "huytd", "huy.tran"},
			{"Quỳnh Chi", "Phạm", "chipq", "chi.pham"},
			{"Văn Tâm", "Lê", "tamlv", "tam.le"},
			{"สมชาย", "ศรีสุข", "ssrisuk", "somchai.srisuk"},
		}},
		{"東京", "+81 3 5550", []person{
			{"優希", "田中", "ytanaka", "yuki.tanaka"},
			{"健", "佐藤", "ksato", "ken.sato"},
			{"Harumi", "Ōta", "hota", "harumi.ota"},
			{"美玲", "陈", "mchen", "meiling.chen"},
			{"伟", "李", "wli", "wei.li"},
		}},
		{"Lagos", "+234 1 555", []person{
			{"Oluwaseun", "Adéyẹmí", "oadeyemi", "support"},
			{"Ngọzi", "Okonkwo", "nokonkwo", "ngozi.okonkwo"},
			{"Chinedu", "Okafor", "cokafor", "chinedu.okafor"},
			{"Amina", "Bello", "abello", "amina.bello"},
			{"Tunde", "Bakare", "tbakare", "tunde.bakare"},
		}},
		{"Bengaluru", "+91 80 5550", []person{
			{"Priya", "Raman", "praman", "sales"},
			{"Arjun", "Nair", "anair", "arjun.nair"},
			{"Lakshmi", "Iyer", "liyer", "lakshmi.iyer"},
			{"نور", "الهاشمي", "nalhashimi", "noor.alhashimi"},
		}},
		{"თბილისი", "+995 32 555", []person{
			{"ნინო", "ბერიძე", "nberidze", "nino.beridze"},
			{"Иван", "Петров", "ipetrov", "ivan.petrov"},
			{"Ελένη", "Παπαδοπούλου", "epapadopoulou", "eleni.papadopoulou"},
			{"Олександра", "Шевченко", "oshevchenko", "oleksandra.shevchenko"},
			{"Հակոբ", "Սարգսյան", "hsargsyan", "hakob.sargsyan"},
		}},
	}
}
