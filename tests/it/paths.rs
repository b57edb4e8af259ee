//! Where things are: the repository, the binary, the running stack's addresses.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The binary under test: built beside the test binary, unless `READMILL` names another.
pub fn readmill() -> PathBuf {
    if let Some(binary) = std::env::var_os("READMILL") {
        return binary.into();
    }
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().unwrap().parent().unwrap().join("readmill");
    assert!(binary.exists(), "{} is not built: run `make test`", binary.display());
    binary
}

/// The addresses of the running stack, as shells take them.
pub fn stack_file() -> PathBuf {
    let run = std::env::var("READMILL_RUN").map_or(root().join("compose/.run"), PathBuf::from);
    run.join("stack.env")
}

/// An address of the running stack, such as `MONGO_URI`.
#[track_caller]
pub fn stack(name: &str) -> String {
    stack_if(name).unwrap_or_else(|| panic!("the stack has no {name}"))
}

/// An address that not every running stack has.
#[track_caller]
pub fn stack_if(name: &str) -> Option<String> {
    static ADDRESSES: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    let addresses = ADDRESSES.get_or_init(|| {
        let file = stack_file();
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!("the real stack is not up ({}: {error}): run `make up`", file.display())
        });
        let pair = |line: &str| line.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
        text.lines().filter_map(pair).collect()
    });
    addresses.get(name).cloned()
}
