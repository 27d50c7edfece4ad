package sqlite

import (
	"slackmcp/store/internal/engine"
)

// statements are the writer's, prepared once for each connection.
type statements struct {
	begin, commit *engine.Stmt

	insert, keysAfter           *engine.Stmt
	readChunk, putChunk, putRun *engine.Stmt
	dropChunks, dropRun         *engine.Stmt
	trimEvents, trimMarks       *engine.Stmt
	setTrimmed, agesAfter       *engine.Stmt
	deleteEvent, hasWork        *engine.Stmt

	putGroup, saveGroup, dropGroup, dropWork, groupWork *engine.Stmt

	putWork, getWork, deleteWork, leaseWork *engine.Stmt
	nextDue, dueWork, crashedWork           *engine.Stmt
	pinnedDead, oldDead, workOf             *engine.Stmt
	seqSince                                *engine.Stmt
}

// prepare compiles them all.
func (st *statements) prepare(c *engine.Conn) error {
	for _, p := range []struct {
		to  **engine.Stmt
		sql string
	}{
		{&st.begin, "BEGIN IMMEDIATE"},
		{&st.commit, "COMMIT"},

		{&st.insert, insertEvent},
		{&st.keysAfter, "SELECT seq, stored_at, source, id FROM events WHERE seq > ? ORDER BY seq"},
		{&st.readChunk, selectChunk},
		{&st.putChunk, "INSERT INTO seen_ids (chunk, entries) VALUES (?, ?)"},
		{&st.putRun, "INSERT INTO seen_runs (run, ids, to_seq, newest_at) VALUES (?, ?, ?, ?)"},
		{&st.dropChunks, "DELETE FROM seen_ids WHERE chunk >= ? AND chunk < ?"},
		{&st.dropRun, "DELETE FROM seen_runs WHERE run = ?"},

		{&st.trimEvents, "DELETE FROM events WHERE seq > ?1 AND seq <= ?2 AND seq NOT IN (SELECT seq FROM work WHERE seq > ?1 AND seq <= ?2 AND state <> 4)"},
		{&st.trimMarks, "DELETE FROM work WHERE seq > ?1 AND seq <= ?2 AND state = 4"},
		{&st.setTrimmed, "UPDATE log SET trimmed = ?"},
		{&st.agesAfter, "SELECT seq, stored_at FROM events WHERE seq > ? ORDER BY seq LIMIT ?"},
		{&st.deleteEvent, "DELETE FROM events WHERE seq = ?"},
		{&st.hasWork, "SELECT 1 FROM work WHERE seq = ? AND state <> 4 LIMIT 1"},

		{&st.putGroup, "INSERT INTO groups (id, name, start, cursor, adopted, expired) VALUES (?, ?, ?, ?, 0, 0)"},
		{&st.saveGroup, "UPDATE groups SET cursor = ?, adopted = ?, expired = ?, leased = ? WHERE id = ?"},
		{&st.dropGroup, "DELETE FROM groups WHERE id = ?"},
		{&st.dropWork, "DELETE FROM work WHERE grp = ?"},
		{&st.groupWork, "SELECT seq FROM work WHERE grp = ? AND seq <= ?"},

		{&st.putWork, "INSERT INTO work (grp, seq, state, attempts, at, reason) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (grp, seq) DO UPDATE SET state = excluded.state, attempts = excluded.attempts, at = excluded.at, reason = coalesce(excluded.reason, reason)"},
		{&st.getWork, "SELECT state, attempts FROM work WHERE grp = ? AND seq = ?"},
		{&st.deleteWork, "DELETE FROM work WHERE grp = ? AND seq = ?"},
		{&st.leaseWork, "UPDATE work SET state = 0, attempts = attempts + 1 WHERE grp = ? AND seq = ?"},
		{&st.nextDue, "SELECT at FROM work WHERE grp = ? AND state = 1 ORDER BY at LIMIT 1"},
		{&st.dueWork, "SELECT seq, attempts FROM work WHERE grp = ? AND state = 1 AND at <= ? ORDER BY at, seq LIMIT ?"},
		{&st.crashedWork, "SELECT seq, attempts FROM work WHERE grp = ? AND state = 3"},
		{&st.pinnedDead, "SELECT DISTINCT seq FROM work WHERE seq <= ? AND state = 2 ORDER BY seq LIMIT ?"},
		{&st.oldDead, "SELECT seq FROM work WHERE grp = ? AND state = 2 AND at < ? ORDER BY at LIMIT ?"},
		{&st.workOf, "SELECT grp, state FROM work WHERE seq = ?"},
		{&st.seqSince, selectMark},
	} {
		s, err := c.Prepare(p.sql)
		if err != nil {
			return err
		}
		*p.to = s
	}
	return nil
}

// Statements that readers use as well.
const (
	selectChunk = "SELECT entries FROM seen_ids WHERE chunk = ?"
	selectMark  = "SELECT mark FROM events WHERE seq = ?"
)
