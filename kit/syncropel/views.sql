-- Views of the record family. Rows that repeat an id with other content (canonical = false) are left out everywhere:
-- an id is one event (design.md section 3). Every view keeps runs apart. Bodies are canonical text, so a key stands in
-- one as `"key":`, and a cheap look for that comes before any parsing.

-- What an id of a ref is joined by: an ISRC in capitals without hyphens, a DOI, an address or a hash in small letters.
-- Stored data keeps the id as written (spec/syncropel.md 6).
CREATE OR REPLACE MACRO ref_key(ref_id) AS CASE
    WHEN ref_id ILIKE 'isrc:%' THEN 'isrc:' || upper(regexp_replace(substr(ref_id, 6), '[\s-]', '', 'g'))
    WHEN ref_id ILIKE 'doi:%' THEN lower(trim(regexp_replace(ref_id, '^doi:\s*(?:https?://(?:dx\.)?doi\.org/)?', 'doi:', 'i')))
    WHEN ref_id ILIKE 'email:%' OR ref_id ILIKE 'sha256:%' THEN lower(trim(ref_id))
    ELSE trim(ref_id)
END;

-- One row per canonical ref of a record, in the order of its `_refs`. That is a list of {kind, id}; some write an object
-- instead, whose keys name the kinds: then a value is the id, or an object with an id.
CREATE OR REPLACE VIEW record_refs AS
WITH carriers AS (
    SELECT run, source_id, line, id AS record_id, actor, thread, clock, body::VARCHAR AS body
    FROM records WHERE canonical AND contains(body::VARCHAR, '"_refs":') AND json_type(body, '$._refs') IN ('ARRAY', 'OBJECT')
), refs AS (
    SELECT c.* EXCLUDE (body), e.id AS nth, e.key, e.type, e.value, e.atom, json_type(c.body, '$._refs') AS form
    FROM carriers c, json_each(c.body, '$._refs') e
), named AS (
    SELECT * EXCLUDE (key, type, value, atom, form, nth),
           row_number() OVER (PARTITION BY run, source_id, line ORDER BY nth) - 1 AS position,
           CASE WHEN type = 'OBJECT' AND json_type(value, '$.kind') = 'VARCHAR' THEN value ->> '$.kind'
                WHEN form = 'OBJECT' THEN key END AS kind,
           CASE WHEN type = 'OBJECT' AND json_type(value, '$.id') = 'VARCHAR' THEN value ->> '$.id'
                WHEN type = 'VARCHAR' THEN value ->> '$' END AS ref_id
    FROM refs
)
SELECT run, source_id, line, record_id, position, kind, ref_id, ref_key(ref_id) AS ref_key, actor, thread, clock FROM named;

-- One row per amendment and record that it names, or one row without a target for an alias and for scopes
-- (spec/syncropel.md 4). They are applied in the order of (clock, actor, id). An older style of correction, a KNOW with
-- the topic "correction" and the bad record as parent, is among them. `by` is who is said to amend, `actor` who wrote it.
CREATE OR REPLACE VIEW amendments AS
WITH reserved AS (
    SELECT run, source_id, line, id, kind, actor, thread, clock, act, parents, body,
           CASE WHEN kind IS NULL THEN NULL ELSE regexp_extract(kind, '^core\.(correction|erasure|alias|scope_transfer|scope_claim)(?:\.v[0-9]+)?$', 1) END AS named
    FROM records
    WHERE canonical AND (starts_with(kind, 'core.') OR (act = 'KNOW' AND contains(body::VARCHAR, '"topic":"correction"')))
), told AS (
    SELECT * EXCLUDE (named), coalesce(nullif(named, ''), CASE WHEN act = 'KNOW' AND body ->> '$.topic' = 'correction' THEN 'correction' END) AS what,
           coalesce(named, '') = '' AS older
    FROM reserved
), targeted AS (
    SELECT *, CASE
        WHEN what = 'correction' AND older THEN parents
        WHEN what = 'correction' THEN coalesce(try_cast(body -> '$.corrects' AS VARCHAR[]), [body ->> '$.corrects'])
        WHEN what = 'erasure' THEN coalesce(try_cast(body -> '$.erases' AS VARCHAR[]), [body ->> '$.erases'])
        ELSE [NULL] END AS targets
    FROM told WHERE what IS NOT NULL
), flat AS (
    SELECT * EXCLUDE (targets), unnest(targets) AS target, generate_subscripts(targets, 1) - 1 AS position FROM targeted
)
SELECT run, source_id, line, id, what, target, position, clock, actor, thread,
       coalesce(body ->> '$.correcting_actor', body ->> '$.authorized_by', body ->> '$.publisher_did', body ->> '$.claimant',
                body ->> '$.from_publisher', actor) AS "by",
       body ->> '$.reason' AS reason,
       coalesce(body ->> '$.effective_at', body ->> '$.since') AS effective_at,
       body -> '$.revised_fields' AS revised_fields,
       body ->> '$.old_kind' AS old_kind, body ->> '$.new_kind' AS new_kind,
       body ->> '$.scope' AS scope, body ->> '$.to_publisher' AS to_publisher, body -> '$.governance_policy' AS policy
FROM flat;
