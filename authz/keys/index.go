package keys

import "encoding/binary"

// index finds rows by their ids: a table of slots with linear probing. Ids are random and made here, so their bytes are as good as
// a hash of them.
type index struct {
	slots []uint32 // Number of a row, from 1; 0: nothing. Their count is a power of two.
	held  int
}

// firstSlots is how many slots an index has that holds something.
const firstSlots = 16

// home is where a search for an id begins.
func (x *index) home(key packed) int {
	return int(binary.LittleEndian.Uint64(key[2:])) & (len(x.slots) - 1) //nolint:gosec // The mask leaves a small number.
}

// find returns which row has an id.
func (x *index) find(rows []row, key packed) (at uint32, known bool) {
	slot, found := x.seek(rows, key)
	if !found {
		return 0, false
	}
	return x.slots[slot] - 1, true
}

// seek returns the slot of an id, or the empty one where the search for it ends.
func (x *index) seek(rows []row, key packed) (slot int, found bool) {
	if len(x.slots) == 0 {
		return 0, false
	}
	for slot = x.home(key); x.slots[slot] != 0; slot = (slot + 1) & (len(x.slots) - 1) {
		if rows[x.slots[slot]-1].id == key {
			return slot, true
		}
	}
	return slot, false
}

// put takes in a row that has its id, and is not there yet.
func (x *index) put(rows []row, at uint32) {
	if 4*(x.held+1) > 3*len(x.slots) {
		old := x.slots
		x.slots = make([]uint32, max(firstSlots, 2*len(old)))
		for _, number := range old {
			if number != 0 {
				x.place(rows, number)
			}
		}
	}
	x.place(rows, at+1)
	x.held++
}

func (x *index) place(rows []row, number uint32) {
	slot, _ := x.seek(rows, rows[number-1].id)
	x.slots[slot] = number
}

// remove forgets an id. What stands behind it in its run moves up where a search for it would end too early.
func (x *index) remove(rows []row, key packed) {
	gap, found := x.seek(rows, key)
	if !found {
		return
	}
	mask := len(x.slots) - 1
	for slot := (gap + 1) & mask; x.slots[slot] != 0; slot = (slot + 1) & mask {
		home := x.home(rows[x.slots[slot]-1].id)
		if (slot-home)&mask >= (slot-gap)&mask {
			x.slots[gap], gap = x.slots[slot], slot
		}
	}
	x.slots[gap] = 0
	x.held--
}
