//! What an instance says of itself: its build, its memory, its files, its loops; looked at when it
//! is asked.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use readmill_engine::pulse::Standing;
use readmill_engine::{Clock as _, Meter, Metrics, metrics};

use crate::exit::Exit;
use crate::http::Served;
use crate::out;
use crate::ports::SystemClock;

/// In which the kernel counts processor time for programs, in a second.
const TICKS_PER_SECOND: f64 = 100.0;
/// Where a control group says how much memory it may have; the newer kind and the older.
const MEMORY_LIMITS: [&str; 2] =
    ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
/// A limit of more is none: so the older kind says it.
const NO_LIMIT_BYTES: i64 = 1 << 60;

/// `metrics`: the documented page.
pub fn document() -> Exit {
    out::line(metrics::document().trim_end());
    Exit::Done
}

/// Says which build this is, and when it began.
pub fn introduce(metrics: &Metrics) {
    let build = [
        env!("CARGO_PKG_VERSION"),
        env!("READMILL_RUSTC"),
        env!("READMILL_COMMIT"),
        env!("READMILL_FEATURES"),
    ];
    metrics.set(Meter::Build, &build, 1);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    metrics.set_seconds(Meter::ProcessStart, &[], since.as_secs_f64());
}

/// Looks, and shows it.
pub fn show(served: &Served) {
    show_process(&served.metrics);
    let standing = served.pulse.standing(served.stall_limit);
    for model in &served.models {
        let name = model.row().name;
        let Standing { longest, stuck } = standing.get(name).copied().unwrap_or_default();
        served.metrics.set(Meter::StalledLoops, &[name], whole(stuck));
        served.metrics.set_seconds(Meter::StalledSeconds, &[name], longest.as_secs_f64());
        let seen = served.metrics.hot().seen(name, SystemClock.now_ms());
        let hottest = seen.keys.first().map_or(0, |key| key.count);
        let share = hottest.saturating_mul(100) / seen.records.max(1);
        let share = i64::try_from(share.min(100)).unwrap_or(100);
        served.metrics.set(Meter::HottestShare, &[name], share);
    }
}

fn show_process(metrics: &Metrics) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (status, stat) = (read("/proc/self/status"), read("/proc/self/stat"));
    let shown = [
        (Meter::ProcessMemory, kibibytes(&status, "VmRSS:")),
        (Meter::ProcessThreads, number(&status, "Threads:")),
        (Meter::ProcessFiles, open_files()),
        (Meter::ProcessFilesLimit, number(&read("/proc/self/limits"), "Max open files")),
        (Meter::MemoryLimit, memory_limit(&read)),
    ];
    for (meter, value) in shown {
        if let Some(value) = value {
            metrics.set(meter, &[], value);
        }
    }
    if let Some(seconds) = processor_seconds(&stat) {
        metrics.rise(Meter::ProcessCpu, &[], seconds);
    }
}

/// The first number of the line that begins so.
fn number(text: &str, name: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn kibibytes(text: &str, name: &str) -> Option<i64> {
    number(text, name).map(|kib| kib.saturating_mul(1024))
}

/// The one that looks is not counted.
fn open_files() -> Option<i64> {
    fs::read_dir("/proc/self/fd").ok().map(|open| whole(open.count().saturating_sub(1)))
}

/// The least of what its control group and the machine have.
fn memory_limit(read: &dyn Fn(&str) -> String) -> Option<i64> {
    let group = MEMORY_LIMITS.iter().filter_map(|path| limit(&read(path)));
    group.chain(kibibytes(&read("/proc/meminfo"), "MemTotal:")).min()
}

/// A limit of a control group; `max` is none.
fn limit(text: &str) -> Option<i64> {
    text.trim().parse().ok().filter(|limit| *limit < NO_LIMIT_BYTES)
}

/// What the process has used, for itself and for the kernel: the 12th and 13th field behind its
/// name, which stands in brackets and may hold anything.
fn processor_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<f64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read() {
        let status = "Name:\tx\nVmRSS:\t   2048 kB\nThreads:\t7\n";
        assert_eq!(kibibytes(status, "VmRSS:"), Some(2048 * 1024));
        assert_eq!(number(status, "Threads:"), Some(7));
        let limits = "Max open files            1024                 4096                 files\n";
        assert_eq!(number(limits, "Max open files"), Some(1024));
        let stat = "9 (a ) b) S 1 9 9 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 7 0 1 2 3";
        assert_eq!(processor_seconds(stat), Some(3.0));
        let limits = [("max\n", None), ("1073741824\n", Some(1 << 30)), ("", None)];
        for (text, wanted) in limits {
            assert_eq!(limit(text), wanted, "{text:?}");
        }
        assert_eq!(limit("9223372036854771712"), None, "the older kind's word for none");
    }

    #[test]
    fn a_process_sees_itself() {
        let metrics = Metrics::new().unwrap();
        introduce(&metrics);
        show_process(&metrics);
        let text = metrics.render().unwrap();
        let value = |name: &str| {
            let series = format!("{name} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&series));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).parse::<f64>().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_open_fds") > 2.0 && value("process_max_fds") > 2.0);
        assert!(value("process_threads") > 0.0 && value("process_start_time_seconds") > 1e9);
        assert!(text.contains("rustc=\"rustc 1."), "{text}");
    }
}
