-- Views of the record family. Rows that repeat an id with other content (canonical = false) are left out everywhere, and
-- so are records without an id wherever an id is needed. Every view keeps runs apart. Nothing here changes a table.

-- The time of a clock that counts milliseconds since 1970, NULL for a counter: above 1e11 it is taken for wall time
-- (spec/syncropel.md 3). The upper end is the year 9999.
CREATE OR REPLACE MACRO wall_time(clock) AS
    CASE WHEN clock > 100000000000 AND clock < 253402300800000 THEN epoch_ms(clock)::TIMESTAMPTZ END;

-- The ids that a key of a body names: one string, or the strings of an array.
CREATE OR REPLACE MACRO named_ids(body, path) AS CASE json_type(body, path)
    WHEN 'VARCHAR' THEN [json_extract_string(body, path)]
    WHEN 'ARRAY' THEN list_transform(
        list_filter(json_extract(body, path || '[*]'), lambda item: json_type(item) = 'VARCHAR'),
        lambda item: json_extract_string(item, '$'))
    ELSE []
END;

-- A time in a body, NULL where it is none.
CREATE OR REPLACE MACRO stated_time(body, path) AS TRY_CAST(json_extract_string(body, path) AS TIMESTAMPTZ);

-- A reference's id as a key to join on (spec/syncropel.md 6): ISRC in upper case without hyphens and blanks, DOI (without
-- the address of its resolver), e-mail address and hash in lower case, blanks around them dropped, the scheme in lower
-- case. Anything else stays as it is.
CREATE OR REPLACE MACRO ref_key(ref_id) AS CASE lower(split_part(ref_id, ':', 1))
    WHEN 'isrc' THEN 'isrc:' || upper(regexp_replace(substr(ref_id, 6), '[-\s]', '', 'g'))
    WHEN 'doi' THEN 'doi:' || regexp_replace(lower(trim(substr(ref_id, 5))), '^https?://(dx\.)?doi\.org/', '')
    WHEN 'email' THEN 'email:' || lower(trim(substr(ref_id, 7)))
    WHEN 'sha256' THEN 'sha256:' || lower(trim(substr(ref_id, 8)))
    WHEN 'sha1' THEN 'sha1:' || lower(trim(substr(ref_id, 6)))
    WHEN 'md5' THEN 'md5:' || lower(trim(substr(ref_id, 5)))
    ELSE ref_id
END;

-- One reference as written, under the key `name` where `_refs` is an object.
CREATE OR REPLACE MACRO one_ref(item, name) AS {
    'kind': coalesce(CASE WHEN json_type(item, '$.kind') = 'VARCHAR' THEN json_extract_string(item, '$.kind') END, name),
    'ref_id': CASE WHEN json_type(item) = 'VARCHAR' THEN json_extract_string(item, '$')
                   WHEN json_type(item, '$.id') = 'VARCHAR' THEN json_extract_string(item, '$.id') END
};

-- The references of a body, in order. `_refs` is a list of {"kind", "id"}, one such object, or an object whose keys name
-- the kinds and whose values are ids, such objects, or lists of either.
CREATE OR REPLACE MACRO body_refs(body) AS CASE
    WHEN json_type(body, '$._refs') = 'ARRAY' THEN
        list_transform(json_extract(body, '$._refs[*]'), lambda item: one_ref(item, NULL))
    WHEN json_type(body, '$._refs.id') = 'VARCHAR' THEN [one_ref(json_extract(body, '$._refs'), NULL)]
    WHEN json_type(body, '$._refs') = 'OBJECT' THEN flatten(list_transform(
        json_keys(body, '$._refs'),
        lambda name: list_transform(
            CASE json_type(body, '/_refs/' || replace(replace(name, '~', '~0'), '/', '~1'))
                WHEN 'ARRAY' THEN json_transform(
                    json_extract(body, '/_refs/' || replace(replace(name, '~', '~0'), '/', '~1')), '["JSON"]')
                ELSE [json_extract(body, '/_refs/' || replace(replace(name, '~', '~0'), '/', '~1'))]
            END,
            lambda item: one_ref(item, name))))
    ELSE []
END;

-- One row per reference of a record, counted from 0. `ref_key` is what to join on, beside `kind`.
CREATE OR REPLACE VIEW record_refs AS
SELECT run, id, position, ref.kind AS kind, ref.ref_id AS ref_id, ref_key(ref.ref_id) AS ref_key, thread, actor, clock,
       source_id, line
FROM (
    SELECT * EXCLUDE refs, generate_subscripts(refs, 1)::BIGINT - 1 AS position, unnest(refs) AS ref
    FROM (
        SELECT run, source_id, line, id, thread, actor, clock, body_refs(body) AS refs FROM records
        WHERE canonical AND id IS NOT NULL AND json_exists(body, '$._refs')
    )
);

-- What ends an INTEND: a KNOW that names it in `fulfills`, a DO that names it in `cancels` (spec/syncropel.md 3). It
-- counts where the INTEND is in the same thread: `counts`.
CREATE OR REPLACE VIEW intent_ends AS
WITH ends AS (
    SELECT run, thread, id, actor, clock, 'fulfills' AS how, unnest(named_ids(body, '$.fulfills')) AS intent
    FROM records WHERE canonical AND id IS NOT NULL AND act = 'KNOW' AND json_exists(body, '$.fulfills')
    UNION ALL
    SELECT run, thread, id, actor, clock, 'cancels', unnest(named_ids(body, '$.cancels'))
    FROM records WHERE canonical AND id IS NOT NULL AND act = 'DO' AND json_exists(body, '$.cancels')
)
SELECT DISTINCT
    e.run, e.thread, e.id, e.actor, e.clock, e.how, e.intent,
    coalesce(i.act = 'INTEND' AND i.thread IS NOT DISTINCT FROM e.thread, false) AS counts
FROM ends e LEFT JOIN records i ON i.canonical AND i.run = e.run AND i.id = e.intent;

-- One row per parent that a record names, at its place in `parents`, from 0. `state` uses the words of the structure labels:
-- self_parent, cycle, missing_parent (dangling), cross_trace (a parent in another thread), attached. `why` is fulfills or
-- cancels where the record says that of its parent, else parent.
--
-- Ids make rings impossible where they are right: every ring has a record whose id does not match its content. So all
-- rings lie between such records, above and below. There, from the top and then from the bottom, all is taken away
-- that has nothing left above or below it; what stays is on a ring, or on a way from one ring to another.
CREATE OR REPLACE VIEW record_edges AS
WITH RECURSIVE pairs AS MATERIALIZED (
    SELECT run, thread, id AS child, generate_subscripts(parents, 1)::BIGINT - 1 AS position, unnest(parents) AS parent
    FROM records WHERE canonical AND id IS NOT NULL
), doubtful AS MATERIALIZED (
    SELECT run, id FROM records WHERE canonical AND id IS NOT NULL AND (integrity IN ('ok', 'ok6')) IS NOT TRUE
), below AS (
    SELECT run, id FROM doubtful
    UNION
    SELECT p.run, p.child FROM below b JOIN pairs p ON p.run = b.run AND p.parent = b.id
), between AS (
    SELECT run, id FROM doubtful
    UNION
    SELECT p.run, p.parent FROM between b JOIN pairs p ON p.run = b.run AND p.child = b.id
    SEMI JOIN below s ON s.run = p.run AND s.id = p.parent
), inner_pairs AS MATERIALIZED (
    SELECT DISTINCT p.run, p.child, p.parent FROM pairs p
    SEMI JOIN between c ON c.run = p.run AND c.id = p.child
    SEMI JOIN between a ON a.run = p.run AND a.id = p.parent
    WHERE p.child <> p.parent
), falling(round, run, id, remain, before) USING KEY (run, id) AS (
    SELECT 0::BIGINT, run, id, count(*) OVER (), NULL::BIGINT FROM (SELECT DISTINCT run, child AS id FROM inner_pairs)
    UNION
    SELECT round + 1, run, id, count(*) OVER (), before FROM (
        SELECT DISTINCT f.round, p.run, p.child AS id, f.remain AS before
        FROM falling f JOIN inner_pairs p ON p.run = f.run AND p.parent = f.id
        WHERE f.before IS NULL OR f.remain < f.before
    )
), endless AS MATERIALIZED (
    SELECT run, id FROM falling WHERE round = (SELECT max(round) FROM falling) AND remain = before
), loops AS MATERIALIZED (
    SELECT p.* FROM inner_pairs p
    SEMI JOIN endless c ON c.run = p.run AND c.id = p.child
    SEMI JOIN endless a ON a.run = p.run AND a.id = p.parent
), rising(round, run, id, remain, before) USING KEY (run, id) AS (
    SELECT 0::BIGINT, run, id, count(*) OVER (), NULL::BIGINT FROM (SELECT DISTINCT run, parent AS id FROM loops)
    UNION
    SELECT round + 1, run, id, count(*) OVER (), before FROM (
        SELECT DISTINCT r.round, p.run, p.parent AS id, r.remain AS before
        FROM rising r JOIN loops p ON p.run = r.run AND p.child = r.id
        WHERE r.before IS NULL OR r.remain < r.before
    )
), rings AS MATERIALIZED (
    SELECT run, id FROM rising WHERE round = (SELECT max(round) FROM rising) AND remain = before
)
SELECT
    p.run, p.thread, p.child, p.parent, p.position, coalesce(e.how, 'parent') AS why,
    CASE
        WHEN p.child = p.parent THEN 'self_parent'
        WHEN c.id IS NOT NULL AND a.id IS NOT NULL THEN 'cycle'
        WHEN n.id IS NULL THEN 'missing_parent'
        WHEN n.thread IS DISTINCT FROM p.thread THEN 'cross_trace'
        ELSE 'attached'
    END AS state
FROM pairs p
LEFT JOIN records n ON n.canonical AND n.run = p.run AND n.id = p.parent
LEFT JOIN rings c ON c.run = p.run AND c.id = p.child
LEFT JOIN rings a ON a.run = p.run AND a.id = p.parent
LEFT JOIN (SELECT run, id, intent, min(how) AS how FROM intent_ends GROUP BY ALL) e
    ON e.run = p.run AND e.id = p.child AND e.intent = p.parent;

-- One row per amendment and record it names, one row without a target per alias, claim or transfer, or where none is named.
-- `place` is the order in which amendments are to be read: (clock, actor, id), never the order of a file
-- (spec/syncropel.md 4). An older style is read too: a KNOW with the topic "correction" is about its parents, a DO with
-- `cancels` about an INTEND. Numbers in `revised_fields` may be spelled otherwise than in the body.
CREATE OR REPLACE VIEW amendments AS
WITH found AS (
    SELECT
        run, source_id, line, id, act, actor, thread, clock, parents, body,
        CASE
            WHEN regexp_full_match(kind, 'core\.(correction|erasure|alias|scope_claim|scope_transfer)(\.v[0-9]+)?')
                THEN split_part(kind, '.', 2)
            WHEN act = 'KNOW' AND json_extract_string(body, '$.topic') = 'correction' THEN 'correction'
            WHEN act = 'DO' AND json_exists(body, '$.cancels') THEN 'cancellation'
        END AS what,
        coalesce(kind, '') NOT LIKE 'core.%' AS older
    FROM records WHERE canonical AND id IS NOT NULL
), aimed AS (
    SELECT
        *, row_number() OVER (PARTITION BY run ORDER BY clock NULLS LAST, actor, id) AS place,
        list_distinct(CASE what
            WHEN 'correction' THEN CASE WHEN older THEN parents ELSE named_ids(body, '$.corrects') END
            WHEN 'erasure' THEN named_ids(body, '$.erases')
            WHEN 'cancellation' THEN named_ids(body, '$.cancels')
            ELSE []
        END) AS targets
    FROM found WHERE what IS NOT NULL
), spread AS (
    SELECT
        * EXCLUDE targets, unnest(CASE WHEN len(targets) = 0 THEN [NULL] ELSE list_sort(targets) END) AS target,
        unnest(range(greatest(len(targets), 1))) AS position
    FROM aimed
)
SELECT
    s.run, s.place, s.id, s.what, s.older, s.target, s.position,
    CASE WHEN s.target IS NOT NULL THEN t.id IS NOT NULL END AS known,
    s.actor, s.thread, s.clock,
    CASE s.what
        WHEN 'correction' THEN coalesce(json_extract_string(s.body, '$.correcting_actor'), s.actor)
        WHEN 'erasure' THEN coalesce(json_extract_string(s.body, '$.authorized_by'), s.actor)
        WHEN 'alias' THEN coalesce(json_extract_string(s.body, '$.publisher_did'), s.actor)
        WHEN 'scope_claim' THEN coalesce(json_extract_string(s.body, '$.claimant'), s.actor)
        WHEN 'scope_transfer' THEN coalesce(json_extract_string(s.body, '$.from_publisher'), s.actor)
        ELSE s.actor
    END AS "by",
    json_extract_string(s.body, '$.reason') AS reason,
    CASE WHEN s.what = 'alias' THEN stated_time(s.body, '$.since') ELSE stated_time(s.body, '$.effective_at') END
        AS effective_at,
    CASE WHEN json_type(s.body, '$.revised_fields') = 'OBJECT' THEN json_extract(s.body, '$.revised_fields') END
        AS revised_fields,
    CASE WHEN s.what = 'alias' THEN json_extract_string(s.body, '$.old_kind') END AS old_kind,
    CASE WHEN s.what = 'alias' THEN json_extract_string(s.body, '$.new_kind') END AS new_kind,
    CASE WHEN s.what LIKE 'scope%' THEN json_extract_string(s.body, '$.scope') END AS scope,
    CASE s.what
        WHEN 'scope_claim' THEN coalesce(json_extract_string(s.body, '$.claimant'), s.actor)
        WHEN 'scope_transfer' THEN json_extract_string(s.body, '$.to_publisher')
    END AS to_publisher,
    s.source_id, s.line
FROM spread s LEFT JOIN records t ON t.canonical AND t.run = s.run AND t.id = s.target;

-- Records on the timeline of all families. A clock is taken for a time only where it counts milliseconds since 1970.
CREATE OR REPLACE VIEW record_events AS
SELECT
    run, 'records' AS family, id, thread AS group_id, parents, coalesce(kind, act) AS kind, actor,
    wall_time(clock) AS ts, CASE WHEN wall_time(clock) IS NULL THEN 'logical' ELSE 'unix_ms' END AS clock_name,
    clock_text AS clock_value
FROM records WHERE canonical;

-- One row per verdict and record it is about: a KNOW with `verdict` accept or reject. What it is about is named in
-- `reviews`; a verdict without is about its parents. The domain is its own, else that of an INTEND it fulfills, else empty.
-- `own` marks a verdict on the actor's own record, which counts for nothing (spec/syncropel.md 3).
CREATE OR REPLACE VIEW verdicts AS
WITH given AS (
    SELECT
        run, thread, id, actor, clock, json_extract_string(body, '$.verdict') AS verdict,
        json_extract_string(body, '$.domain') AS domain, named_ids(body, '$.fulfills') AS intents,
        CASE WHEN len(named_ids(body, '$.reviews')) > 0 THEN named_ids(body, '$.reviews') ELSE parents END AS about
    FROM records
    WHERE canonical AND id IS NOT NULL AND act = 'KNOW' AND json_extract_string(body, '$.verdict') IN ('accept', 'reject')
), spread AS (
    SELECT *, unnest(CASE WHEN len(list_distinct(about)) = 0 THEN [NULL] ELSE list_distinct(about) END) AS judged FROM given
), domains AS (
    SELECT g.run, g.id, min(json_extract_string(i.body, '$.domain')) AS domain
    FROM (SELECT run, id, unnest(intents) AS intent FROM given) g
    JOIN records i ON i.canonical AND i.run = g.run AND i.id = g.intent AND i.act = 'INTEND'
    GROUP BY g.run, g.id
)
SELECT
    s.run, s.thread, s.id, s.actor, s.verdict, s.judged, j.actor AS judged_actor, s.actor IS NOT DISTINCT FROM j.actor AS own,
    coalesce(s.domain, d.domain, '') AS domain, s.clock, wall_time(s.clock) AS ts
FROM spread s
LEFT JOIN records j ON j.canonical AND j.run = s.run AND j.id = s.judged
LEFT JOIN domains d ON d.run = s.run AND d.id = s.id;
