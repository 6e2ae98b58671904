-- Images and their chunk lists, by content.

-- name: artifact_find
SELECT row_id, sha256, sha512, sha1, md5, size, encoding, enc_header, chunk_offset, chunk_size,
       chunk_count, chunks_sha256, state, created_at
FROM artifact WHERE sha256 = :sha256;

-- name: artifact_page
SELECT row_id, sha256, sha512, sha1, md5, size, encoding, enc_header, chunk_offset, chunk_size,
       chunk_count, chunks_sha256, state, created_at
FROM artifact WHERE sha256 > :after AND chunks_sha256 IS NOT NULL ORDER BY sha256 LIMIT :limit;

-- name: artifact_keep
INSERT INTO artifact (sha256, sha512, sha1, md5, size, encoding, enc_header, chunk_offset, chunk_size,
                      chunk_count, chunks_sha256, state, created_at)
VALUES (:sha256, :sha512, :sha1, :md5, :size, :encoding, :enc_header, :chunk_offset, :chunk_size,
        :chunk_count, :chunks_sha256, 'whole', :created_at)
ON CONFLICT (sha256) DO UPDATE SET state = 'whole';

-- name: artifact_break
UPDATE artifact SET state = 'broken' WHERE sha256 = :sha256;

-- name: artifact_releases
SELECT DISTINCT r.row_id, r.tenant_row, r.id
FROM artifact AS a JOIN target AS t ON t.artifact_row = a.row_id JOIN release AS r ON r.row_id = t.release_row
WHERE a.sha256 = :sha256 AND r.state = 'published';

-- A quarantined release is still listed: when its product's file stops listing it, it is withdrawn.
-- name: artifact_releases_mended
SELECT DISTINCT r.row_id, r.tenant_row, r.id
FROM artifact AS a JOIN target AS t ON t.artifact_row = a.row_id JOIN release AS r ON r.row_id = t.release_row
WHERE a.sha256 = :sha256 AND r.state = 'quarantined'
  AND NOT EXISTS (SELECT 1 FROM target AS o JOIN artifact AS b ON b.row_id = o.artifact_row
                  WHERE o.release_row = r.row_id AND b.state = 'broken');

-- name: artifact_release_state
UPDATE release SET state = :state WHERE row_id = :release;
