// SPDX-License-Identifier: GPL-2.0

//! The output of long steps: a progress bar or some lines, the duration, and
//! after a failure the lines with the error. All output goes to stderr: stdout is
//! for the command in the guest.

pub(crate) mod terminal;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cache::Cache;
use crate::run;

/// The interval between lines on a terminal without a bar.
const REPORT: Duration = Duration::from_secs(30);
/// The duration up to which a step prints no line.
const AT_ONCE: Duration = Duration::from_secs(1);
/// The interval between updates of the bar.
const REDRAW: Duration = Duration::from_millis(200);

/// Prints one line.
pub(crate) fn print(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

/// A time in words: "4.2 s", "12 min 05 s".
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 {
        return format!("{:.1} s", duration.as_secs_f64());
    }
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}

/// Runs a quick step that has no log, and prints its time.
pub(crate) fn timed<T>(label: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    print(format!("{label} ..."));
    let result = step()?;
    print(format!("{label}: {}", time(start.elapsed())));
    Ok(result)
}

/// A long step done by another program, whose output goes to a log.
pub(crate) struct Step<'a> {
    pub(crate) cache: &'a Cache,
    /// The name of the step.
    pub(crate) label: &'a str,
    /// The stem of the log's name.
    pub(crate) log: &'a str,
    /// About how many lines a whole run prints, until one has been counted.
    pub(crate) lines: usize,
    /// Print the output itself instead of a bar.
    pub(crate) verbose: bool,
}

impl Step<'_> {
    /// Runs the command, which must succeed.
    pub(crate) fn run(&self, command: Command) -> Result<()> {
        let log = self.cache.log(self.log)?;
        if self.status(command)? != Some(0) {
            bail!(
                "{} failed; the lines around the first error:\n\n{}\nthe whole log: {}",
                self.label,
                first_error(&log),
                log.display()
            );
        }
        Ok(())
    }

    /// Runs the command, and returns its exit status, or `None` after a signal.
    pub(crate) fn status(&self, mut command: Command) -> Result<Option<i32>> {
        let log = self.cache.log(self.log)?;
        let count_file = self.cache.path(format!("log/{}.lines", self.log));
        let expected = fs::read_to_string(&count_file)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(self.lines);
        let mut file =
            File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        writeln!(file, "$ {}", run::shown(&command))?;

        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        command
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot run {}", run::shown(&command)))?;
        // The command holds the writing ends, which would keep the pipe open.
        drop(command);

        let (sender, receiver) = mpsc::channel();
        let pump = thread::spawn(move || {
            for line in BufReader::new(File::from(reader)).split(b'\n') {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut bar = Bar::new(self.label, expected, self.verbose);
        loop {
            match receiver.recv_timeout(REDRAW) {
                Ok(line) => {
                    file.write_all(&line)?;
                    file.write_all(b"\n")?;
                    bar.line(&String::from_utf8_lossy(&line));
                }
                Err(RecvTimeoutError::Timeout) => bar.draw(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = child.wait()?;
        let _ = pump.join();
        bar.end(status.success());
        if status.success() && bar.lines * 2 > expected {
            fs::write(&count_file, bar.lines.to_string())?;
        }
        Ok(status.code())
    }
}

/// The progress of one step.
struct Bar<'a> {
    label: &'a str,
    expected: usize,
    lines: usize,
    last: String,
    start: Instant,
    shown: Instant,
    terminal: bool,
    verbose: bool,
    announced: bool,
}

impl<'a> Bar<'a> {
    fn new(label: &'a str, expected: usize, verbose: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Self {
            label,
            expected,
            lines: 0,
            last: String::new(),
            start: Instant::now(),
            shown: Instant::now(),
            terminal,
            verbose,
            announced: false,
        }
    }

    fn line(&mut self, line: &str) {
        self.lines += 1;
        self.last = line.trim().to_owned();
        if self.verbose {
            print(line);
        } else {
            self.draw();
        }
    }

    /// The value is an estimate below 100%: an incremental step prints few lines.
    fn percent(&self) -> usize {
        (self.lines * 100 / self.expected.max(1)).min(99)
    }

    /// Prints the name of the step, unless the step is short.
    fn announce(&mut self) {
        if !self.announced && self.start.elapsed() > AT_ONCE {
            self.announced = true;
            if !self.terminal || self.verbose {
                print(format!("{} ...", self.label));
            }
        }
    }

    fn draw(&mut self) {
        self.announce();
        let pause = if self.terminal { REDRAW } else { REPORT };
        if self.verbose || self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        let percent = self.percent();
        let took = time(self.start.elapsed());
        if !self.terminal {
            print(format!(
                "{}: {percent}% after {took}: {}",
                self.label, self.last
            ));
            return;
        }
        let filled = percent / 4;
        let bar = format!("{}{}", "#".repeat(filled), "-".repeat(25 - filled));
        let text = format!("{} [{bar}] {percent}%  {took}  {}", self.label, self.last);
        let width = rustix::termios::tcgetwinsize(std::io::stderr())
            .map_or(80, |size| usize::from(size.ws_col.max(20)));
        let text: String = text.chars().take(width - 1).collect();
        eprint!("\r\x1b[K{text}");
    }

    fn end(&self, success: bool) {
        if self.terminal && !self.verbose {
            eprint!("\r\x1b[K");
        }
        if success && !self.announced {
            return;
        }
        let word = if success { "" } else { "failed after " };
        print(format!(
            "{}: {word}{}",
            self.label,
            time(self.start.elapsed())
        ));
    }
}

/// The lines around the first error of a log, or its last lines.
pub(crate) fn first_error(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    around_first_error(&text.unwrap_or_default())
}

/// See [`first_error`].
fn around_first_error(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let is_error = |line: &&str| {
        let signs = [
            "error:",
            "error[",
            "No space left",
            "undefined symbol",
            "*** ",
        ];
        // apt's errors start with an E.
        line.starts_with("E: ") || signs.iter().any(|sign| line.contains(sign))
    };
    let range = match lines.iter().position(is_error) {
        Some(at) => at.saturating_sub(3)..(at + 15).min(lines.len()),
        None => lines.len().saturating_sub(15)..lines.len(),
    };
    lines[range]
        .iter()
        .map(|line| format!("  {line}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        assert_eq!(time(Duration::from_millis(4230)), "4.2 s");
        assert_eq!(time(Duration::from_secs(725)), "12 min 05 s");
    }

    #[test]
    fn the_first_error_is_shown_not_the_last_line() {
        let mut text = "  CC a.o\n".repeat(50);
        text.push_str("b.c:3: error: no such thing\n");
        text.push_str(&"  CC c.o\n".repeat(50));
        let shown = around_first_error(&text);
        assert!(shown.contains("no such thing"));
        assert_eq!(shown.lines().count(), 18);
        assert_eq!(around_first_error("a\nb\n"), "  a\n  b\n");
    }
}
