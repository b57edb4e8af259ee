"""MariaDB's columns, one of every type, with the values at its edges (row 0 is all NULL)."""

WIDE = "'𝄞💚 naïve ﷽\\n\\t\"\\\\\\''"
STAMPS = ["'1970-01-01 00:00:00'", "'1969-12-31 23:59:59.999999'", "'2024-02-29 12:34:56.789012'",
          "'1000-01-01 00:00:00'", "'9999-12-31 23:59:59.999999'", "'0001-01-01 00:00:00.1'",
          "'1582-10-10 00:00:00'", "'0000-00-00 00:00:00'"]
TIMES = ["'00:00:00'", "'23:59:59.999999'", "'838:59:59'", "'-838:59:59'", "'-00:00:00.5'"]
FLOATS = ["0.1", "-0e0", "3.40282e38", "16777217"]

# name, type, values
COLUMNS = [
    ("bool", "boolean", ["true", "false"]),
    ("tiny", "tinyint", ["-128", "127"]),
    ("tiny_u", "tinyint unsigned", ["0", "255"]),
    ("small_u", "smallint unsigned", ["0", "65535"]),
    ("medium", "mediumint", ["-8388608", "8388607"]),
    ("medium_u", "mediumint unsigned", ["0", "16777215"]),
    ("int4", "int", ["-2147483648", "2147483647"]),
    ("int4_u", "int unsigned", ["0", "4294967295"]),
    ("big", "bigint", ["-9223372036854775808", "9223372036854775807"]),
    ("big_u", "bigint unsigned", ["0", "9223372036854775808", "18446744073709551615"]),
    ("decimal_10_2", "decimal(10,2)", ["-99999999.99", "99999999.99", "0", "-0.01", "1.5"]),
    ("decimal_65_30", "decimal(65,30)", ["9" * 35 + "." + "9" * 30, "-" + "9" * 35, "-1e-30"]),
    ("decimal_65_0", "decimal(65,0)", ["-" + "9" * 65, "9" * 65]),
    ("decimal_38_38", "decimal(38,38)", ["0." + "9" * 38, "-1e-38"]),
    ("float4", "float", FLOATS),
    ("float8", "double", FLOATS[:2] + ["1.7976931348623157e308", "5e-324", "-2.5"]),
    ("bit_1", "bit(1)", ["b'0'", "b'1'"]),
    ("bit_10", "bit(10)", ["b'0'", "b'1000000011'"]),
    ("bit_64", "bit(64)", ["b'" + "1" * 64 + "'", "b'1" + "0" * 63 + "'", "b'1'"]),
    ("char_5", "char(5)", ["''", "'𝄞'"]),
    ("varchar_40", "varchar(40)", ["''", WIDE]),
    ("text", "text", ["''", WIDE]),
    ("latin", "varchar(9) character set latin1", ["'naïve'"]),
    ("binary_4", "binary(4)", ["x'00ff80fb'", "x'01'", "x'00'"]),
    ("varbinary_9", "varbinary(9)", ["x''", "x'00ff80fbef'"]),
    ("blob", "blob", ["x''", "x'00ff80fbef'", "'𝄞'"]),
    ("date", "date", ["'1970-01-01'", "'1969-12-31'", "'2024-02-29'", "'1000-01-01'",
                      "'9999-12-31'", "'0001-01-01'", "'1582-10-10'", "'0000-00-00'"]),
    ("time_0", "time", [TIMES[0], "'23:59:59'", TIMES[2], TIMES[3]]),
    ("time_3", "time(3)", [TIMES[0], "'23:59:59.999'", TIMES[2], TIMES[3], TIMES[4]]),
    ("time_6", "time(6)", TIMES),
    ("datetime_0", "datetime", STAMPS[:1] + STAMPS[3:4] + ["'9999-12-31 23:59:59'"]),
    ("datetime_3", "datetime(3)", STAMPS[:1] + ["'2024-02-29 12:34:56.789'"]),
    ("datetime_6", "datetime(6)", STAMPS),
    ("timestamp_0", "timestamp null", ["'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'"]),
    ("timestamp_3", "timestamp(3) null", ["'2024-02-29 12:34:56.7'"]),
    ("timestamp_6", "timestamp(6) null", ["'1970-01-01 00:00:01'", "'2038-01-19 03:14:07.999999'",
                                          "'2024-02-29 12:34:56.7'", "'0000-00-00 00:00:00'"]),
    ("year", "year", ["1901", "2155"]),
    ("mood", "enum('sad','ok','naïve','')", ["'sad'", "'naïve'", "''"]),
    ("tags", "set('a','b','c d','ï')", ["''", "'a,c d,ï'", "'b'"]),
    ("json", "json", ["'{\"a\": 1.0, \"b\": [null, \"𝄞\"]}'", "'null'"]),
    ("uuid", "uuid", ["'00000000-0000-0000-0000-000000000000'",
                      "'ffffffff-ffff-ffff-ffff-ffffffffffff'"]),
    ("point", "point", ["point(1.5,-2.25)", "point(1e300,-1e-300)"]),
    ("line", "linestring", ["st_geomfromtext('linestring(0 0,1 1.5)')"]),
    ("polygon", "polygon", ["st_geomfromtext('polygon((0 0,1 0,1 1,0 0))')"]),
    ("geometry", "geometry", ["st_geomfromtext('point(1 2)', 4326)",
                              "st_geomfromtext('multipoint(1 2,3 4)')"]),
    ("collection", "geometrycollection", [
        "st_geomfromtext('geometrycollection(point(1 2),linestring(0 0,1 1))')"]),
]

PRELUDE = ""


def literal(_kind, value):
    return value or "null"


def as_text(name, kind):
    if kind in ("blob", "binary(4)", "varbinary(9)"):
        return f"hex(`{name}`)"
    if kind.startswith("bit"):
        return f"lpad(bin(`{name}`+0), {kind[4:-1]}, '0')"
    if kind in ("point", "linestring", "polygon", "geometry", "geometrycollection"):
        return f"concat(st_srid(`{name}`), ';', hex(st_aswkb(`{name}`)), ';', st_astext(`{name}`))"
    return f"cast(`{name}` as char)"
