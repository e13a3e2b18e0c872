//! Words on a terminal.

use std::io::{IsTerminal as _, Write as _, stderr, stdout};

/// Prints the story: headings, plain sentences, quoted output. Colour only on a terminal.
#[derive(Debug)]
pub(super) struct Story {
    color: bool,
    to_stderr: bool,
    chapter: u32,
}

impl Story {
    /// On stdout, or on stderr when stdout is for JSON.
    pub(super) fn new(to_stderr: bool) -> Story {
        let terminal = if to_stderr { stderr().is_terminal() } else { stdout().is_terminal() };
        Story { color: terminal && std::env::var_os("NO_COLOR").is_none(), to_stderr, chapter: 0 }
    }

    /// A new chapter.
    pub(super) fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        let heading = format!("{}. {title}", self.chapter);
        self.line("");
        self.line(&self.paint("1", &heading));
    }

    /// One sentence.
    pub(super) fn say(&self, sentence: &str) {
        self.line(&format!("   {sentence}"));
    }

    /// Something that was checked and is true.
    pub(super) fn checked(&self, sentence: &str) {
        self.line(&format!("   {} {sentence}", self.paint("32", "ok")));
    }

    /// What a file or another program says.
    pub(super) fn quote(&self, text: &str) {
        for line in text.trim_end().lines() {
            self.line(&format!("   {} {}", self.paint("2", "|"), self.paint("2", line)));
        }
    }

    /// The demo does not hold what it promises.
    pub(super) fn failed(&self, reason: &str) {
        self.line("");
        self.line(&format!("{} {reason}", self.paint("1;31", "THE DEMO FAILED:")));
    }

    /// A line as it is.
    pub(super) fn line(&self, text: &str) {
        // A closed pipe must not turn into a panic; there is nobody left to tell.
        if self.to_stderr {
            let _ = writeln!(stderr(), "{text}");
        } else {
            let _ = writeln!(stdout(), "{text}");
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
