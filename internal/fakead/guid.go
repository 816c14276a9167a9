package fakead

import (
	"encoding/hex"
	"errors"
	"io"
	"strconv"
	"strings"
)

// GUID is an objectGUID in printed order, which is not the order of the wire.
type GUID [16]byte

// newGUID makes a random (version 4) GUID.
func newGUID(random io.Reader) GUID {
	var g GUID
	mustRead(random, g[:])
	g[6] = g[6]&0x0f | 0x40
	g[8] = g[8]&0x3f | 0x80
	return g
}

func mustRead(random io.Reader, b []byte) {
	if _, err := io.ReadFull(random, b); err != nil {
		panic("fakead: Config.Random: " + err.Error())
	}
}

// String is dashed lower-case hex.
func (g GUID) String() string {
	h := hex.EncodeToString(g[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Wire is the value of the objectGUID attribute: the first three fields are
// little-endian ([MS-DTYP] 2.3.4.2).
func (g GUID) Wire() string {
	return string([]byte{
		g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6],
		g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15],
	})
}

// guidFromWire is the opposite of Wire.
func guidFromWire(v string) (GUID, bool) {
	if len(v) != 16 {
		return GUID{}, false
	}
	return GUID([]byte(GUID([]byte(v)).Wire())), true
}

// parseGUID reads the dashed form, and the undashed wire bytes that
// <GUID=…> takes as well ([MS-ADTS] 3.1.1.3.1.2.4).
func parseGUID(s string) (GUID, error) {
	wire := !strings.Contains(s, "-")
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 {
		return GUID{}, errors.New("fakead: not a GUID; want dashed hex")
	}
	if wire {
		g, _ := guidFromWire(string(b))
		return g, nil
	}
	return GUID(b), nil
}

// parseSID reads S-1-5-…, and the hex of the wire bytes ([MS-DTYP] 2.4.2.1).
func parseSID(s string) (string, error) {
	errSID := errors.New("fakead: not a SID")
	parts := strings.Split(s, "-")
	if len(parts) == 1 {
		b, err := hex.DecodeString(s)
		if err != nil || len(b) < 8 || len(b)%4 != 0 {
			return "", errSID
		}
		return string(b), nil
	}
	if len(parts) < 4 || !strings.EqualFold(parts[0], "S") || parts[1] != "1" {
		return "", errSID
	}
	var numbers []uint32
	for _, part := range parts[2:] {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return "", errSID
		}
		numbers = append(numbers, uint32(n))
	}
	if numbers[0] > 255 {
		return "", errSID
	}
	return wellKnownSID(byte(numbers[0]), numbers[1:]...), nil
}
