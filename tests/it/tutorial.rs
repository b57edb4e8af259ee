//! The tutorial's own commands, given one after the other as a newcomer would.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::paths::{self, root};
use crate::real::Corner;

const LIMIT: Duration = Duration::from_secs(240);

/// What the tutorial has to be given to a shell.
fn commands() -> String {
    let text = std::fs::read_to_string(root().join("docs/tutorial.md")).unwrap();
    let blocks: Vec<&str> =
        text.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```\n").next().unwrap()).collect();
    assert!(blocks.len() >= 9, "{} blocks", blocks.len());
    blocks.join("\n")
}

/// Whatever of it is left: the process, the connector and its slot, the database.
struct Traces {
    corner: Corner,
}

impl Drop for Traces {
    fn drop(&mut self) {
        let Self { corner } = self;
        if let Ok(id) = std::fs::read_to_string(corner.dir().join("pid")) {
            let _ = Command::new("kill").arg(id.trim()).stderr(Stdio::null()).status();
        }
        let forgotten = Command::new(root().join("compose/stack"))
            .args(["connector", "delete", &corner.name])
            .stderr(Stdio::null())
            .status();
        assert!(forgotten.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_gets_from_a_table_to_a_read_model() {
    let traces = Traces { corner: Corner::new("tutorial") };
    let Corner { name, .. } = &traces.corner;
    let dir = traces.corner.dir();
    // Files go where the test's are.
    let script = commands()
        .replace("\"$SHOP.toml\"", "\"$DIR/readmill.toml\"")
        .replace("\"$SHOP.log\"", "\"$DIR/log\"")
        .replace("$SHOP.pid", "$DIR/pid")
        .replace("\"$SHOP.explained\"", "\"$DIR/explained\"")
        .replace("compose/.run/stack.env", "\"$STACK_ENV\"");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let log = std::fs::File::create(dir.join("said")).unwrap();
    let mut shell = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &script])
        .current_dir(root())
        .env("SHOP", name)
        .env("DIR", dir)
        .env("READMILL", paths::readmill())
        .env("TUTORIAL_PORT", port.to_string())
        .env("STACK_ENV", paths::stack_file())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let until = Instant::now() + LIMIT;
    let ended = loop {
        if let Some(ended) = shell.try_wait().unwrap() {
            break Some(ended);
        }
        if Instant::now() > until {
            shell.kill().unwrap();
            break None;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let said = std::fs::read_to_string(dir.join("said")).unwrap();
    assert!(ended.is_some_and(|ended| ended.success()), "{ended:?}: {said}");
    assert!(said.contains("nothing differs"), "{said}");
    let explained = std::fs::read_to_string(dir.join("explained")).unwrap();
    assert!(explained.matches("PointsEarned").count() >= 21, "{explained}");
}
