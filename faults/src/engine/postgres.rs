//! What is said to a `PostgreSQL`.

use super::{Dialect, Edge};

pub(super) const DIALECT: Dialect = Dialect {
    name: "postgres",
    source: "
    CREATE TABLE followers (
        package varchar(60) COLLATE \"C\", dependent varchar(60) COLLATE \"C\",
        \"constraint\" varchar(99), section varchar(9) NOT NULL,
        installed_kib numeric(20,0) NOT NULL, price numeric(65,30) NOT NULL,
        changed_at timestamptz NOT NULL, PRIMARY KEY (package, dependent));
    CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, table_name text NOT NULL,
        op text NOT NULL, payload json NOT NULL, made_at bigint NOT NULL);
    INSERT INTO followers
        SELECT CASE n % 2 WHEN 0 THEN 'Lib' ELSE 'lib' END || n % 61, 'package-' || n,
            CASE WHEN n % 4 > 0 THEN '>= ' || n || ' \u{1f600} ' END, 'libs',
            18446744073709551615 - n, n / 1000000::numeric,
            timestamptz '2024-02-29 12:00:00.000001+00' + n * interval '1 s'
        FROM generate_series(1, 2500) n",
    shard: "
    CREATE TABLE follower_of (
        followed text COLLATE \"C\", follower text COLLATE \"C\", requirement text,
        category varchar NOT NULL, size_kib numeric(20,0) NOT NULL, price numeric(65,30) NOT NULL,
        changed_at timestamp NOT NULL, PRIMARY KEY (followed, follower));
    CREATE TABLE follows (
        follower text COLLATE \"C\", followed text COLLATE \"C\", requirement text,
        category varchar NOT NULL, size_kib numeric NOT NULL, price numeric NOT NULL,
        changed_at timestamp NOT NULL, PRIMARY KEY (follower, followed));",
    watch: "
    CREATE TABLE seen (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, line text, price numeric);
    CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO seen (line, price) VALUES (concat_ws('|', NEW.followed, NEW.follower), NEW.price);
        RETURN NULL; END $$;
    CREATE TRIGGER seen AFTER INSERT OR UPDATE ON follower_of FOR EACH ROW
        EXECUTE FUNCTION see()",
    source_edges: "SELECT concat_ws('|', package, dependent, \
     coalesce(\"constraint\", 'null'), section, installed_kib, price, \
     to_char(changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')) FROM followers",
    tables: "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables \
     WHERE schemaname = 'public'",
    target_edges,
    put,
    emit_put,
    emit_delete,
};

fn target_edges(table: &str) -> String {
    format!(
        "SELECT concat_ws('|', followed, follower, coalesce(requirement, 'null'), category, \
         size_kib, price, to_char(changed_at, 'YYYY-MM-DD HH24:MI:SS.US')) FROM {table}"
    )
}

fn put(edge: &Edge) -> String {
    format!(
        "INSERT INTO followers (package, dependent, \"constraint\", section, installed_kib, price, \
         changed_at) VALUES ('{}', '{}', {}, 'web', {}, {}, '{}+00') \
         ON CONFLICT (package, dependent) DO UPDATE SET \"constraint\" = excluded.\"constraint\", \
         section = excluded.section, installed_kib = excluded.installed_kib, \
         price = excluded.price, changed_at = excluded.changed_at",
        edge.package,
        edge.dependent,
        edge.constraint(),
        edge.kib,
        edge.price(),
        edge.changed_at()
    )
}

const EMIT: &str = "INSERT INTO outbox (table_name, op, payload, made_at) ";

const NOW: &str = "extract(epoch FROM clock_timestamp()) * 1000000";

fn emit_put(edge: &Edge) -> String {
    format!(
        "{EMIT} SELECT 'followers', 'upsert', row_to_json(f), {NOW} FROM followers f \
         WHERE package = '{}' AND dependent = '{}'",
        edge.package, edge.dependent
    )
}

fn emit_delete(edge: &Edge) -> String {
    format!(
        "{EMIT} VALUES ('followers', 'delete', \
         json_build_object('package', '{}', 'dependent', '{}'), {NOW})",
        edge.package, edge.dependent
    )
}
