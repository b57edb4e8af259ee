//! The status page as a person meets it: in a real browser, at a real instance, with eyes, without
//! them, by the keyboard, on a phone, and with keys that mean no good.

mod browser;
mod operate;
mod watch;

use std::path::PathBuf;

use self::browser::{Browser, Scheme};

/// A key that would be a picture with a script, if anything took it for markup.
const HOSTILE: &str = "<img src=x onerror=\"window.hostile=1\">";

/// Looks at the page as it is now, in this width and these colours: nothing is wider than the
/// window, nothing was complained of, and nothing bars those who hear it. With `READMILL_SCREENS`
/// a picture is kept there.
#[track_caller]
fn view(browser: &Browser, name: &str, (width, height): (u32, u32), scheme: Scheme) {
    browser.size(width, height);
    browser.prefer(scheme);
    let wider = browser.run(
        "const page = document.scrollingElement;\
         return [...document.querySelectorAll('body *')]\
         .filter((one) => one.getBoundingClientRect().right > page.clientWidth + 1)\
         .filter((one) => !one.closest('.scroll, nav, .skip, .unseen, pre'))\
         .map((one) => `${one.tagName}.${one.className} ${one.textContent.slice(0, 40)}`)\
         .concat(page.scrollWidth > page.clientWidth ? ['the page scrolls'] : [])",
    );
    assert_eq!(wider, serde_json::json!([]), "{name}: wider than {width}");
    let barriers = browser.barriers();
    assert!(barriers.is_empty(), "{name}:\n{}", barriers.join("\n"));
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{name}:\n{}", complaints.join("\n"));
    println!("screen={name} width={width}");
    if let Some(dir) = std::env::var_os("READMILL_SCREENS") {
        std::fs::create_dir_all(&dir).unwrap();
        let file = PathBuf::from(dir).join(format!("{name}.png"));
        std::fs::write(file, browser.picture()).unwrap();
    }
}

/// Goes to a part of the page at once.
fn show(browser: &Browser, id: &str) {
    browser
        .run(&format!("document.querySelector('#{id}').scrollIntoView({{behavior: 'instant'}})"));
}

/// Nothing hostile has become more than text.
#[track_caller]
fn is_text_alone(browser: &Browser) {
    let found =
        browser.run("return [window.hostile ?? null, document.querySelectorAll('img').length]");
    assert_eq!(found, serde_json::json!([null, 0]));
}
