//! `weighbridge check`: prints what a configuration resolves to, or every mistake in it. Printing only: who calls it
//! decides the exit status.

use crate::app::descriptors;
use crate::auth::Misfit;
use crate::config::{Config, ConfigErrors, Notes};
use std::io::{self, Write};

/// Prints to `out` that `file` is valid, and what it resolves to.
///
/// # Errors
///
/// When `out` takes nothing more.
pub fn print_valid(file: &str, config: &Config, notes: &Notes<'_>, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}\n{file}: valid\n", config.summary(notes))
}

/// Prints every mistake to `err`, one a line, and how many there are.
///
/// # Errors
///
/// When `err` takes nothing more.
pub fn print_mistakes(file: &str, errors: &ConfigErrors, err: &mut dyn Write) -> io::Result<()> {
    let count = errors.0.len();
    let noun = if count == 1 { "mistake" } else { "mistakes" };
    write!(err, "{errors}\n{file}: {count} {noun}; nothing was started\n")
}

/// Warns of keys and teams made at run time with what does not fit the file, one a line.
///
/// # Errors
///
/// When `err` takes nothing more.
pub fn print_misfits(misfits: &[Misfit], err: &mut dyn Write) -> io::Result<()> {
    misfits.iter().try_for_each(|misfit| {
        writeln!(err, "warning: {misfit}; made at run time, and answered with 503 until the file or it is mended")
    })
}

/// Warns where the process may not have the connections that the file lets it have.
///
/// # Errors
///
/// When `err` takes nothing more.
pub fn print_descriptors(config: &Config, err: &mut dyn Write) -> io::Result<()> {
    match descriptors::warning(config, descriptors::raise()) {
        Some(warning) => writeln!(err, "warning: {warning}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{print_mistakes, print_valid};
    use crate::config::{Config, Notes};

    #[test]
    fn a_valid_file_prints_what_it_resolves_to_and_then_its_verdict() {
        let config = Config::from_text("providers: { p: { kind: openai, api_key: planted } }", None).expect("valid");
        let notes = Notes { provider: &|_| vec!["at api.openai.com".to_owned()], ..Notes::NONE };
        let mut out = Vec::new();
        print_valid("w.yaml", &config, &notes, &mut out).expect("a Vec takes all");
        let out = String::from_utf8(out).expect("is text");
        assert!(out.contains("  p: kind openai, HTTP/1.1\n      at api.openai.com\n"), "{out}");
        assert!(out.ends_with("\nw.yaml: valid\n"), "{out}");
        assert!(!out.contains("planted"), "{out}");
    }

    #[test]
    fn mistakes_print_one_a_line_and_are_counted() {
        let errors = Config::from_text("server: { threads: 0, listen: [] }", None).expect_err("two mistakes");
        let mut err = Vec::new();
        print_mistakes("w.yaml", &errors, &mut err).expect("a Vec takes all");
        let err = String::from_utf8(err).expect("is text");
        assert_eq!(err.lines().count(), 3, "{err}");
        assert!(err.ends_with("w.yaml: 2 mistakes; nothing was started\n"), "{err}");
    }
}
