//! A terminal of a test's own: a program runs on it, keys are pressed, and its screen is read.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use vt100::Parser;

use crate::mill::wait;
use crate::paths;

const LIMIT: Duration = Duration::from_secs(60);

/// A program on a terminal.
pub struct Pty {
    child: Child,
    keys: File,
    screen: Arc<Mutex<Parser>>,
    /// The program's side, which stays open here: how the terminal is can be asked of it.
    slave: File,
    before: Termios,
}

impl Pty {
    /// Runs a command of the binary on a terminal of so many columns and rows.
    pub fn readmill(args: &[&str], columns: u16, rows: u16, environment: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = OpenOptions::new().read(true).write(true).open(name).unwrap();
        size(&slave, columns, rows);
        let before = tcgetattr(&slave).unwrap();
        let side = || Stdio::from(slave.try_clone().unwrap());
        // A session of its own, whose terminal this is: signals and sizes come by it.
        let child = Command::new("setsid")
            .args(["--ctty", paths::readmill().to_str().unwrap()])
            .args(args)
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .envs(environment.iter().copied())
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .unwrap();
        let screen = Arc::new(Mutex::new(Parser::new(rows, columns, 1_000)));
        let keys = File::from(master.try_clone().unwrap());
        watch(master, Arc::clone(&screen));
        Self { child, keys, screen, slave, before }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Gives the terminal another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(rows, columns);
        size(&self.slave, columns, rows);
    }

    /// What stands on the screen.
    pub fn text(&self) -> String {
        self.with(|screen| screen.contents())
    }

    /// Looks at the screen.
    pub fn with<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.screen.lock().unwrap().screen())
    }

    /// Waits until something stands there.
    #[track_caller]
    pub fn wait_for(&self, what: &str) {
        self.wait(what, |text| text.contains(what));
    }

    /// Waits until the screen is so.
    #[track_caller]
    pub fn wait(&self, what: &str, is_so: impl Fn(&str) -> bool) {
        let until = Instant::now() + LIMIT;
        while !is_so(&self.text()) {
            assert!(Instant::now() < until, "waited for {what}; there stands\n{}", self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, signal: &str) {
        let (signal, pid) = (format!("-{signal}"), self.child.id().to_string());
        assert!(Command::new("kill").args([&signal, &pid]).status().unwrap().success());
    }

    /// Waits for its end, and answers its exit code.
    #[track_caller]
    pub fn ended(&mut self) -> Option<i32> {
        let mut status = None;
        wait(LIMIT, "the program to end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        // What it wrote last is still on its way to the screen.
        std::thread::sleep(Duration::from_millis(100));
        status.and_then(|status| status.code())
    }

    /// Whether the terminal is as it was before: its modes, its screen, its cursor.
    pub fn is_as_before(&self) -> bool {
        let now = tcgetattr(&self.slave).unwrap();
        let modes = |t: &Termios| (t.input_modes, t.output_modes, t.control_modes, t.local_modes);
        let shown = self.with(|screen| !screen.alternate_screen() && !screen.hide_cursor());
        shown && modes(&now) == modes(&self.before)
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(terminal: &File, columns: u16, rows: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}

/// What is written to the terminal stands on its screen.
fn watch(master: OwnedFd, screen: Arc<Mutex<Parser>>) {
    let mut master = File::from(master);
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(many @ 1..) = master.read(&mut bytes) {
            screen.lock().unwrap().process(&bytes[..many]);
        }
    });
}
