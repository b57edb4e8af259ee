//! What a stack trace comes to in one line that a person can read.

/// The longest line that is told.
const LONGEST: usize = 400;

/// The innermost cause that says anything, with the name of its class. The lines that follow its
/// first one are left out: they are where it happened, or details that may quote rows.
pub fn cause(trace: &str) -> String {
    let causes = trace.lines().enumerate().filter_map(|(n, line)| {
        let cause = line.trim_start().strip_prefix("Caused by: ");
        cause.or_else(|| (n == 0).then_some(line))
    });
    let told: Vec<String> = causes.filter_map(told).collect();
    let said = told.last().cloned().unwrap_or_else(|| "it says nothing of why".to_owned());
    match said.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", said.get(..end).unwrap_or_default()),
        None => said,
    }
}

/// `a.b.SomeException: message` as `message (SomeException)`; `None` without a message.
fn told(line: &str) -> Option<String> {
    let (class, message) = line.split_once(": ")?;
    let is_class = class.contains('.') && !class.contains(' ');
    if !is_class {
        return Some(line.trim().to_owned());
    }
    let class = class.rsplit(['.', '$']).next().unwrap_or(class);
    let message = message.trim();
    (!message.is_empty()).then(|| format!("{message} ({class})"))
}

#[cfg(test)]
mod tests {
    use super::cause;

    #[test]
    fn a_trace_is_its_innermost_cause_that_says_anything() {
        let trace = "org.apache.kafka.connect.errors.ConnectException: Error while processing\n\
                     \tat io.debezium.A.b(A.java:1)\n\
                     Caused by: io.debezium.DebeziumException: Publication is missing\n\
                     \tat io.debezium.A.c(A.java:2)\n\
                     Caused by: org.postgresql.util.PSQLException: FATAL: no such thing: x\n  \
                     Detail: Key (id)=(7) is there.\n\
                     \tat io.debezium.A.d(A.java:3)\n\
                     Caused by: java.io.EOFException\n\t... 7 more";
        assert_eq!(cause(trace), "FATAL: no such thing: x (PSQLException)");
        assert_eq!(cause("java.lang.NullPointerException\n\tat x"), "it says nothing of why");
        assert_eq!(cause(""), "it says nothing of why");
        assert!(cause(&format!("a.B: {}", "x".repeat(9_000))).len() < 500);
    }
}
