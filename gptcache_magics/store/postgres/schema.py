"""The tables of a team's store, as numbered steps: step *n* brings ``gptcache.schema`` from version *n* - 1 to *n*.

An *addition* is a step that kernels of earlier versions need not know: they work on beside later ones.

Times are seconds since the epoch, and ids and digests 64-bit numbers, as in the local file. Prompts and answers are
compressed bytes: PostgreSQL's text cannot hold the character NUL or half a surrogate pair.

Two things are left to the server, because any client may be wrong about them: whose row it is, and the order of
changes. A sequence is given out under a lock that is held until the end of its transaction, so that the numbers become
visible in their order: who has seen number 7 never misses number 6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = [
    "ADDED",
    "ADDITIONS",
    "LARGEST",
    "LARGEST_BYTES",
    "MAKE_WEEKS",
    "MARK",
    "MONDAY",
    "PRODUCT",
    "STEPS",
    "VERSION",
    "WEEK",
    "bring_forward",
]

PRODUCT: Final = "gptcache-magics"
"""The mark of our schema."""
LARGEST: Final = 2**33
"""Largest moment, and largest number of tokens or seconds, as in the local file."""
LARGEST_BYTES: Final = 8 * 2**20
"""Largest prompt, question or answer that is shared."""
MAKE_WEEKS: Final = "SELECT gptcache.make_weeks()"
"""Makes the partitions of this week and the next, if they are missing. Returns how many it made."""
_LOCK: Final = "hashtextextended('gptcache-magics schema', 0)"
WEEK: Final = 7 * 24 * 3600
MONDAY: Final = 4 * 24 * 3600
"""The first Monday after the epoch, in UTC."""


def _numbers(*names: str) -> str:
    """Return constraints that keep numbers within the bounds of the local file, and NaN out."""
    return ", ".join(f"CHECK ({name} BETWEEN 0 AND {LARGEST})" for name in names)


def _texts(size: int, *names: str) -> str:
    return ", ".join(f"CHECK (octet_length({name}) <= {size})" for name in names)


_TOKENS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_SPACE: Final = 'space text COLLATE "C" NOT NULL CHECK (octet_length(space) BETWEEN 1 AND 256)'
_AUTHOR: Final = 'author text COLLATE "C" NOT NULL DEFAULT session_user'
_KEY: Final = "bytea NOT NULL CHECK (octet_length({0}) = 16)"
_ID_OF: Final = "('x' || encode(substr(key, 1, 8), 'hex'))::bit(64)::int8"
_TOKEN_COLUMNS: Final = ", ".join(f"{name} int8" for name in _TOKENS)


def _function(name: str, body: str, *, returns: str = "trigger", definer: bool = True, more: str = "") -> str:
    """Return a function of the server that nobody's ``search_path`` can mislead."""
    security = "SECURITY DEFINER" if definer else "SECURITY INVOKER"
    return (
        f"CREATE FUNCTION gptcache.{name}() RETURNS {returns} LANGUAGE plpgsql {security}"
        f" SET search_path = pg_catalog, pg_temp {more} AS $body${body}$body$"
    )


STEPS: Final[tuple[tuple[str, ...], ...]] = (
    (
        # The newest change of each space, and the newest that is not kept any more. Each clear is a generation.
        f"""CREATE TABLE gptcache.space (
            {_SPACE} PRIMARY KEY,
            newest int8 NOT NULL DEFAULT 0,
            pruned int8 NOT NULL DEFAULT 0,
            generation int8 NOT NULL DEFAULT 0
        ) WITH (fillfactor = 50)""",
        f"""CREATE TABLE gptcache.configuration (
            {_SPACE},
            key {_KEY.format("key")},
            provider text NOT NULL,
            model text NOT NULL,
            label text NOT NULL,
            temperature float8 CHECK (temperature BETWEEN -{LARGEST} AND {LARGEST}),
            parameters text NOT NULL,
            portable bytea NOT NULL DEFAULT '' CHECK (octet_length(portable) IN (0, 16)),
            environment text NOT NULL DEFAULT '',
            call_parameters text,
            {_AUTHOR},
            PRIMARY KEY (space, key),
            {_texts(10_000, "provider", "model", "label", "environment")},
            {_texts(LARGEST_BYTES, "parameters", "call_parameters")}
        )""",
        f"""CREATE TABLE gptcache.entry (
            {_SPACE},
            id int8 NOT NULL,
            key {_KEY.format("key")},
            configuration {_KEY.format("configuration")},
            created float8 NOT NULL,
            accessed float8,
            expires float8,
            seconds float8,
            hits int8 NOT NULL DEFAULT 0,
            {_TOKEN_COLUMNS},
            prompt_digest int8,
            shape int8,
            digest int8 NOT NULL,
            bytes int8 NOT NULL,
            sample int4 NOT NULL DEFAULT 0,
            edited bool NOT NULL DEFAULT false,
            finish_reason text NOT NULL DEFAULT '',
            tags text NOT NULL DEFAULT '',
            ignored text NOT NULL DEFAULT '',
            {_AUTHOR},
            origin text COLLATE "C" NOT NULL DEFAULT '',
            question text NOT NULL,
            answer bytea STORAGE EXTERNAL NOT NULL,
            prompt bytea STORAGE EXTERNAL NOT NULL,
            PRIMARY KEY (space, id),
            CHECK (id = {_ID_OF}),
            {_numbers("created", "accessed", "expires", "seconds", "hits", "sample", *_TOKENS)},
            {_texts(10_000, "finish_reason", "tags", "ignored", "origin")},
            {_texts(LARGEST_BYTES, "question", "answer", "prompt")},
            CHECK (bytes BETWEEN 0 AND {LARGEST_BYTES})
        ) WITH (fillfactor = 90)""",
        "CREATE INDEX entry_by_configuration ON gptcache.entry (space, configuration, created)",
        "CREATE INDEX entry_by_created ON gptcache.entry (space, created)",
        "CREATE INDEX entry_by_prompt ON gptcache.entry (space, prompt_digest)",
        "CREATE INDEX entry_by_shape ON gptcache.entry (space, shape) WHERE shape IS NOT NULL",
        f"""CREATE TABLE gptcache.history (
            {_SPACE},
            id int8 NOT NULL,
            replaced float8 NOT NULL,
            answer bytea STORAGE EXTERNAL NOT NULL,
            author text COLLATE "C" NOT NULL,
            FOREIGN KEY (space, id) REFERENCES gptcache.entry ON DELETE CASCADE
        )""",
        "CREATE INDEX history_by_id ON gptcache.history (space, id, replaced)",
        # The entries that other kernels must forget; a NULL id means all of them.
        f"""CREATE TABLE gptcache.change (
            {_SPACE},
            sequence int8 NOT NULL DEFAULT 0,
            id int8,
            why text NOT NULL CHECK (why IN ('replaced', 'removed')),
            origin text COLLATE "C" NOT NULL CHECK (octet_length(origin) <= 400),
            at float8 NOT NULL DEFAULT 0,
            {_AUTHOR},
            PRIMARY KEY (space, sequence)
        )""",
        # Who asks a model about what, for seconds: worth nothing after a crash of the server.
        f"""CREATE UNLOGGED TABLE gptcache.lease (
            {_SPACE},
            id int8 NOT NULL,
            holder text COLLATE "C" NOT NULL CHECK (octet_length(holder) <= 400),
            until float8 NOT NULL,
            PRIMARY KEY (space, id)
        )""",
        f"""CREATE TABLE gptcache.vector (
            {_SPACE},
            id int8 NOT NULL,
            embedder text COLLATE "C" NOT NULL CHECK (octet_length(embedder) <= 1000),
            context {_KEY.format("context")},
            sequence int8 NOT NULL DEFAULT 0,
            vector bytea STORAGE EXTERNAL NOT NULL CHECK (octet_length(vector) BETWEEN 2 AND 65536),  -- float16
            PRIMARY KEY (space, id, embedder),
            FOREIGN KEY (space, id) REFERENCES gptcache.entry ON DELETE CASCADE
        ) WITH (toast_tuple_target = 8160)""",
        "CREATE INDEX vector_by_context ON gptcache.vector (space, embedder, context, sequence)",
        "CREATE SEQUENCE gptcache.vector_sequence CACHE 1",
        # Each question once, however often it was asked.
        f"""CREATE TABLE gptcache.question (
            {_SPACE},
            id int8 NOT NULL,
            question text NOT NULL CHECK (octet_length(question) <= 8000),
            PRIMARY KEY (space, id)
        )""",
        f"""CREATE TABLE gptcache.label (
            {_SPACE},
            asked int8 NOT NULL,
            entry int8 NOT NULL,
            verdict bool NOT NULL,
            similarity float8 NOT NULL CHECK (similarity BETWEEN -2 AND 2),
            objection_kind text NOT NULL,
            objection_guard text NOT NULL,
            objection_detail text NOT NULL,
            embedder text NOT NULL,
            at float8 NOT NULL,
            {_AUTHOR},
            PRIMARY KEY (space, asked, entry),
            {_numbers("at")},
            {_texts(10_000, "objection_kind", "objection_guard", "objection_detail", "embedder")}
        )""",
        "CREATE SEQUENCE gptcache.lookup_number",
        f"""CREATE TABLE gptcache.lookup (
            {_SPACE},
            at float8 NOT NULL,
            number int8 NOT NULL DEFAULT 0,
            run text COLLATE "C" NOT NULL,
            number_in_run int8 NOT NULL,
            outcome text COLLATE "C" NOT NULL CHECK (outcome IN ('hit', 'miss', 'bypass', 'error')),
            reason_kind text COLLATE "C" NOT NULL,
            reason_detail text NOT NULL,
            mode text COLLATE "C" NOT NULL,
            match text COLLATE "C" CHECK (match IN ('exact', 'semantic')),
            configuration bytea CHECK (octet_length(configuration) = 16),
            entry int8,
            asked int8,
            near int8,
            similarity float8 CHECK (similarity BETWEEN -2 AND 2),
            embedder text NOT NULL,
            objection_kind text NOT NULL,
            objection_guard text NOT NULL,
            objection_detail text NOT NULL,
            prompt_digest int8,
            lookup_seconds float8,
            seconds float8,
            {_TOKEN_COLUMNS},
            notebook text NOT NULL,
            cell text NOT NULL,
            cell_line text NOT NULL,
            execution_count int8,
            {_AUTHOR},
            PRIMARY KEY (space, run, number_in_run, at),
            {_numbers("at", "lookup_seconds", "seconds", "execution_count", *_TOKENS)},
            {_texts(1_000, "run", "mode", "reason_kind", "embedder", "objection_kind", "objection_guard")},
            {_texts(10_000, "reason_detail", "objection_detail", "notebook", "cell", "cell_line")}
        ) PARTITION BY RANGE (at)""",
        "CREATE INDEX lookup_by_number ON gptcache.lookup (space, number)",
        "CREATE INDEX lookup_by_time ON gptcache.lookup (space, at)",
        "CREATE INDEX lookup_by_entry ON gptcache.lookup (space, entry)",
        "CREATE INDEX lookup_by_question ON gptcache.lookup (space, asked) WHERE asked IS NOT NULL",
        # The lookups of weeks that were not made in time, or of clocks that are wrong.
        "CREATE TABLE gptcache.lookup_other PARTITION OF gptcache.lookup DEFAULT",
        _function(
            "make_weeks",
            f"""
            DECLARE
                monday float8;
                name text;
                made int := 0;
                week int := floor((extract(epoch FROM clock_timestamp()) - {MONDAY}) / {WEEK});
            BEGIN
                PERFORM pg_advisory_xact_lock({_LOCK} + 1);
                FOR n IN week .. week + 1 LOOP
                    monday := {MONDAY} + n::float8 * {WEEK};
                    name := 'lookup_' || to_char(to_timestamp(monday) AT TIME ZONE 'UTC', 'YYYYMMDD');
                    IF to_regclass('gptcache.' || name) IS NULL THEN
                        EXECUTE format('CREATE TABLE gptcache.%I (LIKE gptcache.lookup INCLUDING ALL)', name);
                        EXECUTE format('WITH moved AS (DELETE FROM gptcache.lookup_other WHERE at >= %L AND at < %L
                            RETURNING *) INSERT INTO gptcache.%I SELECT * FROM moved', monday, monday + {WEEK}, name);
                        EXECUTE format('ALTER TABLE gptcache.lookup ATTACH PARTITION gptcache.%I
                            FOR VALUES FROM (%L) TO (%L)', name, monday, monday + {WEEK});
                        made := made + 1;
                    END IF;
                END LOOP;
                RETURN made;
            EXCEPTION WHEN lock_not_available THEN
                RETURN 0;  -- somebody reads the table: the next client tries again
            END""",
            returns="int",
            more="SET lock_timeout = '300ms'",
        ),
        # Whose answer it is, and when it came, as far as the server can tell.
        _function(
            "sign_entry",
            """
            BEGIN
                NEW.created := least(NEW.created, extract(epoch FROM clock_timestamp())::float8);
                IF TG_OP = 'INSERT' OR NEW.digest <> OLD.digest THEN
                    NEW.author := session_user;
                ELSE
                    NEW.author := OLD.author;
                END IF;
                RETURN NEW;
            END""",
            definer=False,
        ),
        """CREATE TRIGGER sign BEFORE INSERT OR UPDATE OF created, digest, answer, author ON gptcache.entry
            FOR EACH ROW EXECUTE FUNCTION gptcache.sign_entry()""",
        _function(
            "sign",
            """
            BEGIN
                NEW.author := CASE WHEN TG_OP = 'INSERT' THEN session_user ELSE OLD.author END;
                RETURN NEW;
            END""",
            definer=False,
        ),
        *(
            f"""CREATE TRIGGER sign BEFORE INSERT OR UPDATE ON gptcache.{table}
            FOR EACH ROW EXECUTE FUNCTION gptcache.sign()"""
            for table in ("configuration",)
        ),
        _function(
            "sign_label",
            "BEGIN NEW.author := session_user; RETURN NEW; END",
            definer=False,
        ),
        """CREATE TRIGGER sign BEFORE INSERT OR UPDATE ON gptcache.label
            FOR EACH ROW EXECUTE FUNCTION gptcache.sign_label()""",
        _function(
            "sign_lookup",
            """
            BEGIN
                IF TG_OP = 'INSERT' THEN
                    NEW.author := session_user;
                    NEW.number := nextval('gptcache.lookup_number');
                ELSE
                    NEW.author := OLD.author;
                    NEW.number := OLD.number;
                END IF;
                RETURN NEW;
            END""",
        ),
        """CREATE TRIGGER sign BEFORE INSERT OR UPDATE ON gptcache.lookup
            FOR EACH ROW EXECUTE FUNCTION gptcache.sign_lookup()""",
        _function(
            "number_change",
            """
            BEGIN
                NEW.at := extract(epoch FROM clock_timestamp());
                NEW.author := session_user;
                INSERT INTO gptcache.space AS s (space, newest, generation) VALUES (NEW.space, 1, (NEW.id IS NULL)::int)
                    ON CONFLICT (space) DO UPDATE
                    SET newest = s.newest + 1, generation = s.generation + (NEW.id IS NULL)::int
                    RETURNING newest INTO NEW.sequence;
                RETURN NEW;
            END""",
        ),
        """CREATE TRIGGER number BEFORE INSERT ON gptcache.change
            FOR EACH ROW EXECUTE FUNCTION gptcache.number_change()""",
        _function(
            "note_pruned",
            """
            BEGIN
                UPDATE gptcache.space s SET pruned = greatest(s.pruned, d.newest)
                    FROM (SELECT space, max(sequence) AS newest FROM gone GROUP BY space) d WHERE d.space = s.space;
                RETURN NULL;
            END""",
        ),
        """CREATE TRIGGER note_pruned AFTER DELETE ON gptcache.change REFERENCING OLD TABLE AS gone
            FOR EACH STATEMENT EXECUTE FUNCTION gptcache.note_pruned()""",
        # At the end of the transaction, when all its entries are locked: two writers cannot wait for each other.
        _function(
            "note_replaced",
            """
            BEGIN
                INSERT INTO gptcache.history (space, id, replaced, answer, author)
                    VALUES (OLD.space, OLD.id, NEW.created, OLD.answer, OLD.author);
                INSERT INTO gptcache.change (space, id, why, origin)
                    VALUES (NEW.space, NEW.id, 'replaced', NEW.origin);
                -- Who forgets the copy forgets its vector, too, and fetches what has a later number. The lock comes
                -- first, as for whoever stores vectors.
                PERFORM pg_advisory_xact_lock(1735418211, hashtext(NEW.space));
                UPDATE gptcache.vector SET sequence = sequence WHERE space = NEW.space AND id = NEW.id;
                RETURN NULL;
            END""",
        ),
        """CREATE CONSTRAINT TRIGGER note_replaced AFTER UPDATE ON gptcache.entry DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW WHEN (OLD.digest <> NEW.digest) EXECUTE FUNCTION gptcache.note_replaced()""",
        _function(
            "number_vector",
            """
            BEGIN
                PERFORM pg_advisory_xact_lock(1735418211, hashtext(NEW.space));
                NEW.sequence := nextval('gptcache.vector_sequence');
                RETURN NEW;
            END""",
        ),
        """CREATE TRIGGER number BEFORE INSERT OR UPDATE ON gptcache.vector
            FOR EACH ROW EXECUTE FUNCTION gptcache.number_vector()""",
        "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA gptcache FROM PUBLIC",
        MAKE_WEEKS,
    ),
)
# Whoever adds the tables may not know the roles. A rule about a column that embeddings lack lets nobody in.
_RIGHTS_OF_ENTRIES: Final = """DO $rights$
    DECLARE
        entry CONSTANT regclass := 'gptcache.entry'::regclass;
        holder CONSTANT regrole := (SELECT relowner FROM pg_class WHERE oid = 'gptcache.entry'::regclass);
        made text;
        given record;
    BEGIN
        FOREACH made IN ARRAY ARRAY['embedding', 'embedding_model'] LOOP
            FOR given IN SELECT a.grantee, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a
                WHERE c.oid = entry AND a.grantee <> c.relowner
            LOOP
                EXECUTE format('GRANT %s ON gptcache.%I TO %s', given.privilege_type, made,
                    CASE given.grantee WHEN 0 THEN 'PUBLIC' ELSE given.grantee::regrole::text END);
            END LOOP;
            IF (SELECT relrowsecurity FROM pg_class WHERE oid = entry) THEN
                EXECUTE format('ALTER TABLE gptcache.%I ENABLE ROW LEVEL SECURITY', made);
            END IF;
            IF (SELECT relforcerowsecurity FROM pg_class WHERE oid = entry) THEN
                EXECUTE format('ALTER TABLE gptcache.%I FORCE ROW LEVEL SECURITY', made);
            END IF;
            FOR given IN SELECT policyname, permissive, cmd, qual, with_check,
                (SELECT string_agg(CASE r WHEN 'public' THEN 'PUBLIC' ELSE quote_ident(r) END, ', ')
                    FROM unnest(roles) r) AS roles
                FROM pg_policies WHERE schemaname = 'gptcache' AND tablename = 'entry'
            LOOP
                BEGIN
                    EXECUTE format('CREATE POLICY %I ON gptcache.%I AS %s FOR %s TO %s', given.policyname, made,
                        given.permissive, given.cmd, given.roles) || coalesce(' USING (' || given.qual || ')', '')
                        || coalesce(' WITH CHECK (' || given.with_check || ')', '');
                EXCEPTION WHEN syntax_error_or_access_rule_violation THEN -- it is about answers
                    IF given.permissive = 'RESTRICTIVE' THEN
                        EXECUTE format('CREATE POLICY %I ON gptcache.%I AS RESTRICTIVE TO %s USING (false)',
                            given.policyname, made, given.roles);
                    END IF;
                END;
            END LOOP;
            EXECUTE format('ALTER TABLE gptcache.%I OWNER TO %s', made, holder);
        END LOOP;
        EXECUTE format('ALTER FUNCTION gptcache.note_embedding_replaced() OWNER TO %s', holder);
    END $rights$"""
"""Gives the tables of embeddings the owner, the rights and the rules of the answers' table."""
VERSION: Final = len(STEPS)
ADDITIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "ALTER TABLE gptcache.schema ADD COLUMN additions int4 NOT NULL DEFAULT 0",
        # Without a look at the lookups that are there, whose face is the default.
        "ALTER TABLE gptcache.lookup ADD COLUMN face text COLLATE \"C\" NOT NULL DEFAULT 'langchain'",
        "ALTER TABLE gptcache.lookup ADD CONSTRAINT lookup_face_check CHECK (octet_length(face) <= 1000) NOT VALID",
    ),
    (
        f"""CREATE TABLE gptcache.embedding_model (
            {_SPACE},
            key {_KEY.format("key")},
            portable bytea NOT NULL CHECK (octet_length(portable) IN (0, 16)),
            configuration text NOT NULL,
            PRIMARY KEY (space, key),
            {_texts(LARGEST_BYTES, "configuration")}
        )""",
        f"""CREATE TABLE gptcache.embedding (
            {_SPACE},
            id int8 NOT NULL,
            key {_KEY.format("key")},
            model {_KEY.format("model")},
            text_digest int8 NOT NULL,
            created float8 NOT NULL,
            used float8,
            expires float8,
            tokens int8,
            bytes int8 NOT NULL,
            digest int8 NOT NULL,
            {_AUTHOR},
            origin text COLLATE "C" NOT NULL DEFAULT '',
            sent bytea NOT NULL,
            rest bytea NOT NULL,
            vector bytea STORAGE EXTERNAL NOT NULL,
            PRIMARY KEY (space, id),
            CHECK (id = {_ID_OF}),
            {_numbers("created", "used", "expires", "tokens", "bytes")},
            {_texts(10_000, "origin")},
            {_texts(LARGEST_BYTES, "sent", "rest", "vector")}
        ) WITH (fillfactor = 90)""",
        "CREATE INDEX embedding_by_model ON gptcache.embedding (space, model, key)",
        "CREATE INDEX embedding_by_text ON gptcache.embedding (space, text_digest)",
        """CREATE TRIGGER sign BEFORE INSERT OR UPDATE OF created, digest, vector, author ON gptcache.embedding
            FOR EACH ROW EXECUTE FUNCTION gptcache.sign_entry()""",
        _function(
            "note_embedding_replaced",
            """
            BEGIN
                INSERT INTO gptcache.change (space, id, why, origin)
                    VALUES (NEW.space, NEW.id, 'replaced', NEW.origin);
                RETURN NULL;
            END""",
        ),
        "REVOKE ALL ON FUNCTION gptcache.note_embedding_replaced() FROM PUBLIC",
        """CREATE CONSTRAINT TRIGGER note_replaced AFTER UPDATE ON gptcache.embedding DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW WHEN (OLD.digest <> NEW.digest) EXECUTE FUNCTION gptcache.note_embedding_replaced()""",
        _RIGHTS_OF_ENTRIES,
    ),
)
"""What was added to the last step. Each column has a default."""
ADDED: Final = "SELECT coalesce(max((to_jsonb(s) ->> 'additions')::int), 0) FROM gptcache.schema s"
"""The number of additions that a store has; the first one adds the column itself."""
MARK: Final = (
    f"SELECT pg_advisory_xact_lock({_LOCK})",
    "CREATE SCHEMA IF NOT EXISTS gptcache",
    "CREATE TABLE IF NOT EXISTS gptcache.schema"
    " (product text NOT NULL, version int4 NOT NULL, identity text NOT NULL DEFAULT gen_random_uuid())",
    f"INSERT INTO gptcache.schema (product, version) SELECT '{PRODUCT}', 0"
    " WHERE NOT EXISTS (SELECT FROM gptcache.schema)",
)
"""The statements before the first step: they lock others out, and mark the schema as ours, of version 0."""


def bring_forward(db: Connection[Any], version: int) -> None:
    """Make the steps and the additions that a database lacks, in one transaction. ``version`` is the last step to make.

    Of several clients at once, one makes them and the others wait.
    """
    with db.transaction():
        for statement in MARK:
            db.execute(statement)
        _make(db, "SELECT version FROM gptcache.schema", STEPS[:version], "version")
        if version == VERSION:
            _make(db, ADDED, ADDITIONS, "additions")


def _make(db: Connection[Any], made: str, steps: tuple[tuple[str, ...], ...], counted: str) -> None:
    row = db.execute(made).fetchone()
    before = row[0] if row else 0
    for statement in (each for step in steps[before:] for each in step):
        db.execute(statement)
    if before < len(steps):
        db.execute(f"UPDATE gptcache.schema SET {counted} = %s", [len(steps)])
