//! The terminal that is drawn on: as it is needed while it is, and as it was afterwards.

use std::io::{self, IsTerminal as _, Read as _};
use std::sync::{Mutex, Once, PoisonError};

use anyhow::{Context as _, Result};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc;

use super::draw::Size;
use super::keys::{self, Key};
use crate::exit::{Exit, Failure};
use crate::line::Line;
use crate::out;

/// The other screen, without a cursor and without wrapping.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &str = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
/// What a terminal has that does not say how large it is.
const USUAL: Size = Size { columns: 80, rows: 24 };
/// Keys are read so many bytes at a time, and so many readings may wait.
const KEY_BYTES: usize = 128;
const WAITING_KEYS: usize = 64;

/// How the terminal was, while it is ours.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// A terminal that is ours until this is dropped.
#[derive(Debug)]
pub struct Terminal {
    coloured: bool,
    /// What stands there, line by line.
    drawn: Vec<String>,
}

impl Terminal {
    /// Takes it: whole screen, key by key. However this process ends, save by SIGKILL, the terminal
    /// is given back as it was.
    ///
    /// # Errors
    /// When there is none.
    pub fn take() -> Result<Self> {
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            let told = "this is no terminal to draw on";
            let hint = "say --once for one look as text, or --json for scripts";
            return Err(Failure::new(Exit::Usage, told, hint).into());
        }
        let before = tcgetattr(io::stdin()).context("the terminal does not say how it is")?;
        let mut raw = before.clone();
        raw.make_raw();
        HOOK.call_once(|| {
            let told = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                told(panic);
            }));
        });
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        let taken = Self { coloured: is_coloured(), drawn: Vec::new() };
        tcsetattr(io::stdin(), OptionalActions::Drain, &raw)
            .context("the terminal does not give its keys one by one")?;
        out::screen(ENTER);
        Ok(taken)
    }

    /// How large it is now.
    pub fn size() -> Size {
        let found =
            tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        found.map_or(USUAL, |size| Size { columns: size.ws_col.into(), rows: size.ws_row.into() })
    }

    /// Forgets what stands there: all is drawn next time.
    pub fn forget(&mut self) {
        self.drawn.clear();
        out::screen("\x1b[0m\x1b[2J");
    }

    /// Draws the lines that are not what stands there.
    pub fn draw(&mut self, lines: &[Line]) {
        let styled: Vec<String> = lines.iter().map(|line| line.styled(self.coloured)).collect();
        let mut text = String::new();
        for (at, line) in styled.iter().enumerate() {
            if self.drawn.get(at) != Some(line) {
                text += &format!("\x1b[{};1H\x1b[0m{line}\x1b[K", at + 1);
            }
        }
        if self.drawn.len() > styled.len() {
            text += &format!("\x1b[{};1H\x1b[J", styled.len() + 1);
        }
        out::screen(&text);
        self.drawn = styled;
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

/// The terminal is as it was before; a second call changes nothing.
fn give_back() {
    // A panic while it is taken must not wait for itself.
    let Ok(mut before) = BEFORE.try_lock() else { return };
    if let Some(before) = before.take() {
        out::screen(LEAVE);
        // Whoever has hung up needs nothing back.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &before);
    }
}

/// Whether colours are wanted: <https://no-color.org>.
fn is_coloured() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

/// The keys that are pressed from now on. It ends when the terminal does.
pub fn keys() -> mpsc::Receiver<Vec<Key>> {
    let (pressed, keys) = mpsc::channel(WAITING_KEYS);
    // A thread of its own, which nobody waits for: a read has no end before a key is pressed.
    std::thread::spawn(move || {
        let mut bytes = [0; KEY_BYTES];
        loop {
            match io::stdin().lock().read(&mut bytes) {
                Ok(0) => return,
                Ok(many) => {
                    let read = keys::read(bytes.get(..many).unwrap_or_default());
                    if pressed.blocking_send(read).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    });
    keys
}

/// How wide lines may be that are printed once.
pub fn columns() -> usize {
    const PRINTED: usize = 100;
    if io::stdout().is_terminal() {
        return Terminal::size().columns;
    }
    let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    columns.filter(|columns| (40..=1_000).contains(columns)).unwrap_or(PRINTED)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::process::{Command, Stdio};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    const ALONE: &str = "READMILL_TEST_PANIC";

    /// Does something only where the next test runs it, on a terminal.
    #[test]
    fn panics_on_a_terminal() {
        if std::env::var_os(ALONE).is_some() {
            // As in a release: nothing is dropped.
            std::panic::set_hook(Box::new(|_| std::process::abort()));
            let _taken = Terminal::take().unwrap();
            panic!("on purpose");
        }
    }

    #[test]
    fn a_panic_gives_the_terminal_back() {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = OpenOptions::new().read(true).write(true).open(name).unwrap();
        let modes = |slave: &File| {
            let now = tcgetattr(slave).unwrap();
            (now.input_modes, now.output_modes, now.control_modes, now.local_modes)
        };
        let before = modes(&slave);
        let side = || Stdio::from(slave.try_clone().unwrap());
        let status = Command::new("setsid")
            .arg("--ctty")
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "top::terminal::tests::panics_on_a_terminal", "--nocapture"])
            .env(ALONE, "1")
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .status()
            .unwrap();
        assert_eq!((status.code(), modes(&slave)), (None, before));
        drop(slave);
        let (mut told, mut bytes) = (Vec::new(), [0; 1024]);
        let mut master = File::from(master);
        while let Ok(many @ 1..) = master.read(&mut bytes) {
            told.extend_from_slice(&bytes[..many]);
        }
        let told = String::from_utf8_lossy(&told);
        let entered = told.find(ENTER).unwrap();
        assert!(told.rfind(LEAVE).is_some_and(|left| left > entered), "{told:?}");
    }
}
