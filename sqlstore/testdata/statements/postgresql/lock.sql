SELECT pg_try_advisory_lock(1633973113, CAST(CAST(CAST(CAST($1 AS text) AS regclass) AS oid) AS int4))
    "\"people\""
SELECT pg_advisory_unlock(1633973113, CAST(CAST(CAST(CAST($1 AS text) AS regclass) AS oid) AS int4))
    "\"people\""
