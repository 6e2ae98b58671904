-- Numbers that are handed out once: the row holds the next one.

-- name: sequence_next
INSERT INTO sequence (name, next) VALUES (:name, 2)
ON CONFLICT (name) DO UPDATE SET next = sequence.next + 1
RETURNING next - 1;

-- name: sequence_raise
INSERT INTO sequence (name, next) VALUES (:name, :least)
ON CONFLICT (name) DO UPDATE SET next = excluded.next WHERE sequence.next < excluded.next;
