//! Reading our own few arguments.
//!
//! Forty lines of our own, and no parser library, because this program is compiled before anything
//! else can be checked, and its arguments are a handful of flags.

use anyhow::{Result, bail};

/// What is left of the command line.
#[derive(Debug)]
pub(crate) struct Args {
    left: Vec<String>,
}

impl Args {
    /// The arguments that this process was given.
    pub(crate) fn from_command_line() -> Self {
        Self { left: std::env::args().skip(1).collect() }
    }

    /// Takes the first argument, whatever it is.
    pub(crate) fn word(&mut self) -> Option<String> {
        (!self.left.is_empty()).then(|| self.left.remove(0))
    }

    /// Takes the flag out, and says whether it was there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.left.len();
        self.left.retain(|arg| arg != name);
        self.left.len() < before
    }

    /// Takes `--name value` or `--name=value` out.
    pub(crate) fn value(&mut self, name: &str) -> Result<Option<String>> {
        let prefix = format!("{name}=");
        let Some(at) = self.left.iter().position(|arg| arg == name || arg.starts_with(&prefix))
        else {
            return Ok(None);
        };
        let arg = self.left.remove(at);
        if let Some(value) = arg.strip_prefix(&prefix) {
            return Ok(Some(value.to_owned()));
        }
        if at < self.left.len() {
            return Ok(Some(self.left.remove(at)));
        }
        bail!("{name} needs a value")
    }

    /// Refuses whatever nobody took: a misspelt flag must not pass as no flag.
    pub(crate) fn finish(self) -> Result<()> {
        match self.left.first() {
            None => Ok(()),
            Some(arg) => {
                bail!("`{arg}` is not an argument of this command; see `cargo xtask help`")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &str) -> Args {
        Args { left: words.split(' ').map(str::to_owned).collect() }
    }

    #[test]
    fn flags_and_values_are_taken_in_any_order_and_the_rest_is_refused() {
        let mut given = args("test --only tidy --fast");
        assert_eq!(given.word().as_deref(), Some("test"));
        assert!(given.flag("--fast"));
        assert_eq!(given.value("--only").unwrap().as_deref(), Some("tidy"));
        given.finish().unwrap();

        assert_eq!(args("--only=a").value("--only").unwrap().as_deref(), Some("a"));
        assert!(args("--only").value("--only").is_err());
        assert!(args("--fats").finish().unwrap_err().to_string().contains("--fats"));
    }
}
