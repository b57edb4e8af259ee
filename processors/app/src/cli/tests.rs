//! What the command line takes and what it refuses.

use clap::CommandFactory as _;

use super::*;

fn parse(line: &str) -> Result<Command, String> {
    let words = line.split(' ').filter(|word| !word.is_empty());
    let cli = Cli::try_parse_from(std::iter::once("readmill").chain(words));
    cli.map(|cli| cli.command).map_err(|error| error.to_string())
}

#[test]
fn the_commands_are_sound() {
    Cli::command().debug_assert();
    assert!(Cli::command().render_help().to_string().contains("5  there is no such document"));
}

#[test]
fn usage_is_checked() {
    let table = [
        ("demo --events 9 --seed 3 --exit --json --keys 5 --skew 0", ""),
        ("demo --listen 0.0.0.0:1", "must be on loopback"),
        ("demo --listen here", "must be an IP address and a port"),
        ("run", "--config <FILE>"),
        ("check", "--config <FILE>"),
        ("check --example", ""),
        ("get point m-1 --dir d", "did you mean \"points\"?"),
        ("get points m-1 --dir d -c f", "cannot be used with"),
        ("get points m-1", "required"),
        ("rollup points --dir d", ""),
        ("rollup points ledger earned/ -c f --limit 5 --after earned/2026-11-21 --json", ""),
        ("rollup points ledger --dir d --limit 0", "must be from 1 to 1000"),
        ("rollup points --dir d --after x", "required"),
        ("rollup point ledger --dir d", "did you mean \"points\"?"),
        ("rollup points ledger", "required"),
        ("doctor -c f --fail-on loses --records 0 --limit-seconds 5 --json", ""),
        ("doctor -c f --fail-on all", "possible values: loses, hurts, notes"),
        ("doctor", "--config <FILE>"),
        ("produce --events 1", "required"),
        ("produce --archive a --kafka -c f", "cannot be used with"),
        ("produce --kafka", "--config <FILE>"),
        ("produce --postgres u", "--registry <URL>"),
        ("held list -c f -m points --since 10m --reason x --limit 3 --json", ""),
        ("held list -c f -m points --since 2026-11-21T06:50:00Z --key k", ""),
        ("held list -c f -m points --since 10", "an age such as 10m"),
        ("held list -c f -m points --key k --keyless", "cannot be used with"),
        ("held list -m points", "--config <FILE>"),
        ("held show -c f -m points -p a/b/3@12", ""),
        ("held show -c f -m points -p a@12", "must be topic, partition and offset"),
        ("held retry -c f -m points --all", ""),
        ("held retry -c f -m points", "--key <KEY>"),
        ("held retry -c f -m points --all --key k", "cannot be used with"),
        ("held edit -c f -m points -p t/3@12 --header a=f", ""),
        ("held edit -c f -m points -p t/3@12 --header a", "must be the header's name"),
        ("held edit -c f -m points -p t/3@12 --json f --undo", "cannot be used with"),
        ("held edit -c f -m points -p t/3@12 --value f --schema 3", "cannot be used with"),
        ("held edit -c f -m points -p t/3@12 --json f --schema 3", ""),
        ("held drop -c f -m points", "--position"),
        ("held drop -c f -m points --key k -p t/3@12 --yes", ""),
        ("held export -c f -m points", "--to <FILE>"),
        ("archive -c f --to d", ""),
        ("archive -c f --to d --topics a,b --follow --accept-gap --json", ""),
        ("archive -c f --to d -m points --model orders --file-limit-mib 8", ""),
        ("archive -c f --to d -m points --topics a", "cannot be used with"),
        ("archive -c f --to d -m point", "did you mean \"points\"?"),
        ("archive -c f --to d --file-limit-seconds 0", "--file-limit-seconds"),
        ("archive -c f", "--to <DIR>"),
        ("archive", "--config <FILE>"),
        ("archive list --dir d --json", ""),
        ("archive verify --dir d", ""),
        ("archive verify", "--dir <DIR>"),
        ("archive prune --dir d --before 30d --keep-last 3 --dry-run", ""),
        ("archive prune --dir d", "--before <WHEN>"),
        ("archive prune --dir d --before soon", "an age such as"),
        ("archive -c f list --dir d", "cannot be used with"),
        ("verify points -c f --generation 2 --against 1 --sample 9 --seed 4", ""),
        ("verify points -c f --against 1 --repair", "cannot be used with"),
        ("verify points -c f --seed 4", "--sample <N>"),
        ("produce --archive a --rate 0", "--rate"),
        ("produce --archive a --rate 10", ""),
    ];
    check(&table);
}

#[test]
fn whoever_is_to_do_it_is_named_once() {
    let table = [
        ("swap points -c f --unverified", ""),
        ("swap points --instance http://h --token-file t --ca-file c --step-limit 9s", ""),
        ("swap points", "<--config <FILE>|--instance <URL>>"),
        ("swap points -c f --instance http://h", "cannot be used with"),
        ("swap points -c f --token-file t", "cannot be used with"),
        ("swap points --instance http://h --token secret", "unexpected argument"),
        ("rebuild points --instance http://h --from 7d --detach", ""),
        ("rebuild points --instance http://h --archive d", "cannot be used with"),
        ("retire points 1 --instance http://h", ""),
        ("held list --instance http://h -m points --json", ""),
        ("held drop --instance http://h -m points -p t/3@12 --yes", ""),
        ("held export --instance http://h -m points --to f", "unexpected argument"),
        ("held show --instance http://h -m points -p t/3@12", "unexpected argument"),
        ("get points m-1 --instance http://h", ""),
        ("get points m-1 --instance http://h --dir d", "cannot be used with"),
        ("rollup points ledger earned/ --instance http://h", ""),
    ];
    check(&table);
}

#[test]
fn what_asks_an_instance_alone_is_checked() {
    let table = [
        ("top", ""),
        ("top --instance http://h --token-file t --ca-file c --every 2s --once", ""),
        ("top --every 100ms", "must be at least 200ms"),
        ("top --every 500ms --json", ""),
        ("top -c f", "unexpected argument"),
        ("status --json", ""),
        ("lanes --json", ""),
        ("lanes set bulk --rate 70 --priority 1 --least-share 5 --freshness-limit none", ""),
        ("lanes set bulk --rate 0", "must be a number above 0, or none"),
        ("lanes set bulk --least-share 101", "must be from 1 to 100"),
        ("lanes set", "<LANE>"),
        ("completions zsh", ""),
        ("completions cmd", "possible values"),
        ("man", ""),
        ("man --json", "<DIR>"),
        ("check --example --json", "cannot be used with"),
    ];
    check(&table);
}

#[test]
fn what_connectors_take_is_checked() {
    let table = [
        ("connectors check a b --set A=1 --env-file e --json", ""),
        ("connectors check", "<FILE>"),
        ("connectors check a --set A", "must be a name and a value"),
        ("connectors apply a -c f --dry-run", ""),
        ("connectors apply a", "--config <FILE>"),
        ("connectors status -c f a b", ""),
        ("connectors restart -c f", "required"),
        ("connectors restart -c f --all --also-running", ""),
        ("connectors restart -c f a --all", "cannot be used with"),
    ];
    check(&table);
}

/// Each line is taken, or refused with these words.
#[track_caller]
fn check(table: &[(&str, &str)]) {
    for (line, wanted) in table {
        match parse(line) {
            Ok(_) => assert_eq!(*wanted, "", "{line}"),
            Err(told) => assert!(!wanted.is_empty() && told.contains(wanted), "{line}: {told}"),
        }
    }
}

#[test]
fn a_slash_at_its_end_asks_for_what_is_within_a_group() {
    let table = [
        ("rollup points --dir d", "Declared"),
        ("rollup points ledger --dir d", "group: None, after: None, limit: 100"),
        ("rollup points ledger / --dir d", "group: None"),
        ("rollup points ledger a/ --dir d --limit 7", "group: Some(GroupName(\"a\")), after: None"),
        ("rollup points ledger a/b --dir d", "Group { rollup: \"ledger\", group: GroupName(\"a/b"),
        ("rollup points ledger a|b --dir d", "GroupName(\"a%7Cb\")"),
    ];
    for (line, wanted) in table {
        let Ok(Command::Rollup(args)) = parse(line) else { panic!("{line}") };
        let asked = format!("{:?}", args.asked());
        assert!(asked.contains(wanted), "{line}: {asked}");
    }
}

#[test]
fn targets_are_what_was_named_and_passwords_are_not_printed() {
    let line = "produce --postgres postgres://me:s3cret@host --registry http://r";
    let Ok(Command::Produce(args)) = parse(line) else { panic!("{line}") };
    let Ok(Target::Postgres { url, .. }) = args.target() else { panic!("{args:?}") };
    assert_eq!(url.reveal(), "postgres://me:s3cret@host");
    assert!(!format!("{args:?}").contains("s3cret"));
}

#[test]
fn wishes_that_make_no_sense_are_refused() {
    let Ok(Command::Demo(args)) = parse("demo --keys 0") else { panic!("does not parse") };
    let failure = args.workload.knobs(0).unwrap_err();
    assert_eq!(failure.to_string(), "--keys is 0, and must be 1 to 10000000");
    assert_eq!(failure.exit, Exit::Usage);
}
