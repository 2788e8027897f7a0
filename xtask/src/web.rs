//! The dashboard: its sources are checked, its tests run, its build output compared with what is checked
//! in, and every page walked in a browser.

use anyhow::Result;

use crate::args::Args;
use crate::deps::npm;
use crate::totals::Totals;
use crate::{repo, shell};

/// `web`: builds the dashboard anew into `web/dist`.
pub(crate) fn command(args: Args) -> Result<bool> {
    args.finish()?;
    Ok(packages()? && shell::show(&mut npm(&["run", "build"])?)?)
}

/// Types, tests, and that `web/dist` is what the sources make.
pub(crate) fn check(totals: &mut Totals) -> Result<bool> {
    Ok(packages()? && counted(&["run", "check"], totals)?)
}

/// Every page in a browser, by mouse and by keyboard.
pub(crate) fn browse(totals: &mut Totals) -> Result<bool> {
    Ok(packages()? && counted(&["run", "e2e"], totals)?)
}

fn counted(args: &[&str], totals: &mut Totals) -> Result<bool> {
    shell::watch(&mut npm(args)?, |line| totals.read(line))
}

/// The packages that the lock file names, unless they are there.
fn packages() -> Result<bool> {
    let web = repo::root().join("web");
    // npm writes it last, as its own receipt; it holds what the lock file does.
    let receipt =
        std::fs::metadata(web.join("node_modules/.package-lock.json")).and_then(|it| it.modified());
    let wanted = std::fs::metadata(web.join("package-lock.json")).and_then(|it| it.modified());
    if receipt.is_ok_and(|receipt| wanted.is_ok_and(|wanted| receipt >= wanted)) {
        return Ok(true);
    }
    shell::show(npm(&["ci", "--no-audit", "--no-fund"])?.stdout(std::io::stderr()))
}
