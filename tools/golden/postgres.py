"""PostgreSQL's columns, one of every type, with the values at its edges (row 0 is all NULL)."""

WIDE = "𝄞💚 naïve ﷽\n\t\"\\'"
FLOATS = ["-0", "NaN", "Infinity", "-Infinity", "0.1"]
STAMPS = [
    "1970-01-01 00:00:00", "1969-12-31 23:59:59.999999", "2024-02-29 12:34:56.789012",
    "0001-01-01 00:00:00", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999",
    "infinity", "-infinity", "1582-10-10 00:00:00.1", "9999-12-31 23:59:59.5",
]
ZONED = [STAMPS[0] + "+00", STAMPS[1] + "+00", STAMPS[2] + "+05:30"] + [
    stamp if "infinity" in stamp else stamp.replace(" BC", "+00 BC") if "BC" in stamp
    else stamp + "+00" for stamp in STAMPS[3:]
]
TIMES = ["00:00:00", "23:59:59.999999", "24:00:00", "12:34:56.7"]

# name, type, values
COLUMNS = [
    ("bool", "boolean", ["true", "false"]),
    ("int2", "smallint", ["-32768", "32767"]),
    ("int4", "integer", ["-2147483648", "2147483647"]),
    ("int8", "bigint", ["-9223372036854775808", "9223372036854775807"]),
    ("oid", "oid", ["0", "4294967295"]),
    ("float4", "real", FLOATS + ["3.4028235e38", "1e-45", "16777217"]),
    ("float8", "double precision", FLOATS + ["1.7976931348623157e308", "5e-324"]),
    ("numeric_10_2", "numeric(10,2)", ["-99999999.99", "99999999.99", "0", "-0.01", "1.50"]),
    ("numeric_38_10", "numeric(38,10)", ["-" + "9" * 28 + "." + "9" * 10, "0.0000000001"]),
    ("numeric_100_40", "numeric(100,40)", ["9" * 60 + "." + "9" * 40, "-" + "9" * 60, "-1e-40"]),
    ("numeric_5_m2", "numeric(5,-2)", ["9999900", "-100", "0"]),
    ("numeric_2_5", "numeric(2,5)", ["0.00099", "-0.00001"]),
    ("numeric", "numeric", ["0", "1.50", "-1e-50", "1e200", "-" + "123456789" * 12 + ".5",
                            "0.00", "170141183460469231731687303715884105728"]),
    ("numeric_10_2_nan", "numeric(10,2)", ["1.00", "NaN"]),
    ("numeric_nan", "numeric", ["1", "NaN", "Infinity", "-Infinity"]),
    ("money", "money", ["-92233720368547758.08", "92233720368547758.07", "0.01"]),
    ("text", "text", ["", WIDE, "null"]),
    ("varchar", "varchar(20)", ["", WIDE]),
    ("char", "char(5)", ["", "𝄞"]),
    ("citext", "citext", ["", "MiXed"]),
    ("name", "name", ["", "name"]),
    ("bytea", "bytea", ["\\x", "\\x00ff80fbef", "\\x5f5f6465"]),
    ("bit_1", "bit(1)", ["0", "1"]),
    ("bit_5", "bit(5)", ["00000", "10011", "11111"]),
    ("bit_64", "bit(64)", ["1" * 64, "1" + "0" * 63, "0" * 63 + "1"]),
    ("varbit_70", "varbit(70)", ["1" + "0" * 68 + "1", "0", "101", ""]),
    ("varbit", "varbit", ["0000000011", "1"]),
    ("date", "date", ["1970-01-01", "1969-12-31", "2024-02-29", "0001-01-01", "4713-11-24 BC",
                      "5874897-12-31", "infinity", "-infinity", "1582-10-10"]),
    ("time_0", "time(0)", TIMES[:1] + ["23:59:59"]),
    ("time_3", "time(3)", TIMES[:1] + ["23:59:59.999", "12:34:56.7"]),
    ("time_6", "time(6)", TIMES),
    ("timetz", "timetz", ["00:00:00+15:59", "23:59:59.999999-08", "24:00:00+00", "12:30:00.5+01"]),
    ("timestamp_0", "timestamp(0)", STAMPS[:6]),
    ("timestamp_3", "timestamp(3)", STAMPS[:6]),
    ("timestamp_6", "timestamp(6)", STAMPS),
    ("timestamp", "timestamp", STAMPS),
    ("timestamptz_3", "timestamptz(3)", ZONED[:6]),
    ("timestamptz", "timestamptz", ZONED),
    ("interval", "interval", ["1 year 2 mons 3 days 04:05:06.789", "-178000000 years", "0",
                              "-1 mon +2 days -00:00:00.000001", "178000000 years"]),
    ("uuid", "uuid", ["00000000-0000-0000-0000-000000000000",
                      "ffffffff-ffff-ffff-ffff-ffffffffffff"]),
    ("json", "json", ['{"a": 1.0, "a": [null, "𝄞"]}', "null", '""',
                      "12345678901234567890.123456789"]),
    ("jsonb", "jsonb", ['{"b": 1.10, "a": "𝄞"}', "null", "[]"]),
    ("xml", "xml", ["<a b=\"c\">𝄞</a>", "<a/>"]),
    ("inet", "inet", ["10.0.0.1/8", "::ffff:1.2.3.4", "0.0.0.0"]),
    ("cidr", "cidr", ["10.0.0.0/8", "::/0"]),
    ("macaddr", "macaddr", ["08:00:2b:01:02:03"]),
    ("macaddr8", "macaddr8", ["08:00:2b:01:02:03:04:05"]),
    ("ltree", "ltree", ["", "Top.Science.Astronomy"]),
    ("hstore", "hstore", ['"a"=>"1","b"=>NULL,"𝄞"=>"\\"q"', "", "a=>b"]),
    ("point", "point", ["(1.5,-2.25)", "(0,-0)", "(1e300,-1e-300)", "(NaN,Infinity)"]),
    ("mood", "mood", ["sad", "naïve 𝄞"]),
    ("int4range", "int4range", ["[1,10)", "empty", "(,)"]),
    ("int8range", "int8range", ["[1,9223372036854775807)"]),
    ("numrange", "numrange", ["[1.50,2.5]"]),
    ("tsrange", "tsrange", ["[2024-01-01,infinity)"]),
    ("tstzrange", "tstzrange", ["[2024-01-01+00,)"]),
    ("daterange", "daterange", ["[2024-01-01,2024-02-29)"]),
    ("tsvector", "tsvector", ["'a':1 'b':2", ""]),
    ("int4_array", "integer[]", ["{1,NULL,-2147483648}", "{}", "{{1,2},{3,4}}"]),
    ("int2_array", "smallint[]", ["{1,NULL}", "{}"]),
    ("int8_array", "bigint[]", ["{9223372036854775807}", "{}"]),
    ("float8_array", "double precision[]", ["{NaN,-0,Infinity,0.1}", "{}"]),
    ("bool_array", "boolean[]", ["{t,f,NULL}", "{}"]),
    ("text_array", "text[]", ['{"",NULL,"𝄞","NULL"}', "{}"]),
    ("varchar_array", "varchar(9)[]", ['{"a,b"}', "{}"]),
    ("numeric_array", "numeric(10,2)[]", ["{1.50,NULL,-99999999.99}", "{}"]),
    ("numeric_free_array", "numeric[]", ["{1.50,NULL,-1e-20}", "{}"]),
    ("uuid_array", "uuid[]", ["{00000000-0000-0000-0000-000000000001,NULL}", "{}"]),
    ("date_array", "date[]", ["{2024-02-29,NULL}", "{}"]),
    ("time_array", "time[]", ["{12:34:56.789012,NULL}", "{}"]),
    ("timestamp_array", "timestamp[]", ['{"2024-02-29 12:34:56.789012",NULL}', "{}"]),
    ("timestamptz_array", "timestamptz[]", ['{"2024-02-29 12:34:56.789012+00",NULL}', "{}"]),
    ("bytea_array", "bytea[]", ['{"\\\\x00ff",NULL}', "{}"]),
    ("json_array", "json[]", ['{"{\\"a\\": 1}"}', "{}"]),
    ("jsonb_array", "jsonb[]", ['{"{\\"a\\": 1}"}', "{}"]),
    ("inet_array", "inet[]", ["{10.0.0.1}", "{}"]),
    ("mood_array", "mood[]", ["{sad}", "{}"]),
]

BIG = "x" * 700
# name, type, an expression of some hundred bytes, moved out of the row
TOASTED = [
    ("text", "text", f"'{BIG}'"),
    ("varchar", "varchar", f"'{BIG}'"),
    ("bytea", "bytea", f"'{BIG}'::bytea"),
    ("json", "json", f"'\"{BIG}\"'::json"),
    ("jsonb", "jsonb", f"'\"{BIG}\"'::jsonb"),
    ("xml", "xml", f"'<a>{BIG}</a>'::xml"),
    ("hstore", "hstore", f"'a=>{BIG}'::hstore"),
    ("ltree", "ltree", "(repeat('abcdefghij.', 70) || 'z')::ltree"),
    ("numeric", "numeric", "repeat('9', 2000)::numeric"),
    ("varbit", "varbit", "repeat('10', 4000)::varbit"),
    ("text_array", "text[]", f"array['{BIG}']"),
    ("bytea_array", "bytea[]", f"array['{BIG}'::bytea]"),
    ("int4_array", "integer[]", "array_fill(7, array[300])"),
    ("int8_array", "bigint[]", "array_fill(7::bigint, array[200])"),
    ("uuid_array", "uuid[]", "array_fill('00000000-0000-0000-0000-000000000001'::uuid, array[99])"),
    ("date_array", "date[]", "array_fill('2024-02-29'::date, array[300])"),
    ("timestamptz_array", "timestamptz[]", "array_fill(now(), array[200])"),
    ("numeric_array", "numeric(10,2)[]", "array_fill(1.5, array[200])"),
    ("bool_array", "boolean[]", "array_fill(true, array[900])"),
    ("float8_array", "double precision[]", "array_fill(0.5, array[200])"),
]

PRELUDE = """
create extension hstore; create extension ltree; create extension citext;
create type mood as enum ('sad', 'ok', 'naïve 𝄞');
"""


def literal(kind, value):
    return "null" if value is None else "'" + value.replace("'", "''") + f"'::{kind}"


def as_text(name, _kind):
    return f'"{name}"::text'
