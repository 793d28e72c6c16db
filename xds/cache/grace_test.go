package cache

import "testing"

// flip replaces the cluster of the only route.
func flip(c *client, to string) {
	c.t.Helper()
	c.expect(c.stream.Use(shot(c.t, "cluster:"+to+"@1 eds:"+to+"@1 listener:l@1 rds:rc@1 vhost:rc/a@1-"+to)), "cluster +"+to)
	c.acks("cluster", "vhost +rc/a")
	c.acks("vhost")
}

func TestChangeDuringTheGraceDoesNotProlongIt(t *testing.T) {
	c := synced(t, bank)
	flip(c, "b")
	id := c.stream.Waiting()[graced]
	flip(c, "c")
	flip(c, "d")
	if c.stream.Waiting()[graced] != id {
		t.Error("the grace began anew")
	}
	if got := c.stream.state(); got != StateSynced {
		t.Errorf("state %s while only what nobody uses is kept", got)
	}
	c.expire(graced, "cluster -a") // and not those whose grace is younger
	c.acks("cluster", "eds -a")
	c.acks("eds")
	if again := c.stream.Waiting()[graced]; again == 0 || again == id {
		t.Errorf("wait %d after %d", again, id)
	}
	c.expire(graced, "cluster -b -c")
	c.acks("cluster")
}

func TestWhatComesBackDuringTheGraceStays(t *testing.T) {
	c := synced(t, bank)
	flip(c, "b")
	c.use("cluster:a@1 eds:a@1 cluster:b@1 listener:l@1 rds:rc@1 vhost:rc/a@2-a", "vhost +rc/a")
	c.waits()
	c.acks("vhost")
	c.use("cluster:b@1 listener:l@1 rds:rc@1 vhost:rc/a@1-b", "vhost +rc/a")
	c.acks("vhost")
	c.waits(graced) // a whole new one
	c.expire(graced, "cluster -a")
}

// When all for which a grace runs come back, the next ones get a whole grace of their own.
func TestGraceIsNotInherited(t *testing.T) {
	c := synced(t, bank)
	flip(c, "b")
	id := c.stream.Waiting()[graced]
	flip(c, "c") // b waits for its turn
	c.expect(c.stream.Use(shot(t, "cluster:a@1 eds:a@1 cluster:c@1 listener:l@1 rds:rc@1 vhost:rc/a@2-a-c")), "vhost +rc/a")
	if again := c.stream.Waiting()[graced]; again == 0 || again == id {
		t.Errorf("wait %d after %d: b has not got a grace of its own", again, id)
	}
	c.expire(graced, "cluster -b")
}

// What was refused later does not refer to a cluster whose grace has begun, nor does what serves instead.
func TestRefusalDuringTheGraceKeepsNothingLonger(t *testing.T) {
	c := synced(t, bank)
	flip(c, "b")
	c.use("cluster:b@1 listener:l@1 rds:rc@1 vhost:rc/a@2-b", "vhost +rc/a")
	c.nacks("vhost") // of two contents without a
	c.expire(graced, "cluster -a")
}
