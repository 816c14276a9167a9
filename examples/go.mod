module github.com/go-adsync/adsync/examples

go 1.26.0

replace github.com/go-adsync/adsync => ../
