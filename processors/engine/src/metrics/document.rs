//! The documented page of all metrics, made of the table, their advice and their labels' domains.

use std::fmt::Write as _;

use super::Meter;
use super::advice::rooms;
use super::domain::{DOMAINS, Domain, OTHER};
use super::table::{Kind, Spec, all};

const HEAD: &str = concat!(
    "<!-- Made by `readmill metrics`, and held by a test: change the tables of ",
    "processors/engine/src/metrics. -->\n",
    "# Metrics\n",
    "\n",
    "`GET /metrics` of every instance has these, as Prometheus reads them. They are of the ",
    "live generations; of a generation that\n",
    "readers do not see there is `readmill_rebuild_…` alone. Counters begin at 0 with the ",
    "process. Dashboards, alerts and runbooks\n",
    "are in [dashboards](../dashboards/README.md).\n",
    "\n",
);

const LABELS: &str = concat!(
    "## Labels\n",
    "\n",
    "A label's values are of a domain that does not grow with what comes in: no key, no ",
    "payload, no name that a stranger may choose.\n",
    "\n",
    "| label | values |\n",
    "|---|---|\n",
);

/// The page, as Markdown.
pub fn document() -> String {
    let mut page = HEAD.to_owned();
    for room in rooms() {
        let _ = writeln!(page, "## {}\n", room.title);
        page +=
            "| metric | kind | labels | what it is | what to do with it |\n|---|---|---|---|---|\n";
        for (meter, advice) in room.advice {
            if let Some(spec) = all().find(|spec| spec.meter == *meter) {
                row(&mut page, spec, advice);
            }
        }
        page.push('\n');
    }
    page += LABELS;
    for (label, domain) in DOMAINS {
        let _ = writeln!(page, "| `{label}` | {} |", values(*domain));
    }
    page
}

fn row(page: &mut String, Spec { name, help, labels, kind, .. }: &Spec, advice: &str) {
    let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
    let (kind, labels) = (words(kind), labels.join(", "));
    // Nothing fails while a text grows.
    let _ = writeln!(page, "| `{name}` | {kind} | {labels} | {help} | {advice} |");
}

fn words(kind: &Kind) -> String {
    match kind {
        Kind::Counter | Kind::SecondsTotal => "counter".to_owned(),
        Kind::Gauge | Kind::Seconds => "gauge".to_owned(),
        Kind::Histogram(bounds) => {
            let ends = bounds.first().zip(bounds.last());
            let (from, to) = ends.map_or((0.0, 0.0), |(from, to)| (*from, *to));
            format!("histogram, {} buckets from {from} to {to}", bounds.len())
        }
    }
}

fn values(domain: Domain) -> String {
    match domain {
        Domain::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            format!("{}; anything else would be `{OTHER}`", words.join(", "))
        }
        Domain::AsMany(what) => what.to_owned(),
        Domain::AtMost(1, what) => what.to_owned(),
        Domain::AtMost(most, what) => format!("at most {most} {what}"),
    }
}

impl Meter {
    /// Every metric, in the order of the enum.
    pub fn all() -> impl Iterator<Item = Self> {
        all().map(|spec| spec.meter)
    }
}
