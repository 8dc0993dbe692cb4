// SPDX-License-Identifier: GPL-2.0

//! Runs scenes one after the other and prints their reports.

use std::{
    io::{Write, stdout},
    time::{Duration, Instant},
};

use kselftest::ktap::Printer;
use kselftest::target::Place;

use crate::{
    fixture::{self, Effort},
    report::{Context, Failure, Report},
    scene::{SCENES, Scene},
};

/// The number of scenes whose times are printed at the end.
const SLOWEST: usize = 5;

/// How a report is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Everything.
    Whole,
    /// A line for each scene, and its failed checks.
    Short,
    /// For machines.
    Ktap,
}

/// Scenes to run.
pub(crate) struct Round {
    parts: Vec<(&'static Scene, Place, Form)>,
    /// Whether a scene that cannot be run makes it wrong.
    whole: bool,
}

impl Round {
    /// The tour: each scene in full on its first filesystem.
    pub(crate) fn tour(full: bool) -> Self {
        let mut parts = Vec::new();
        for scene in &SCENES {
            let on_tour = scene.filesystems.iter().filter(|it| scene.is_on_tour(**it));
            for (index, filesystem) in on_tour.enumerate() {
                let form = if full || index == 0 {
                    Form::Whole
                } else {
                    Form::Short
                };
                parts.push((scene, Place::Known(*filesystem), form));
            }
        }
        Self { parts, whole: true }
    }

    /// Some scenes, on one filesystem or on all.
    pub(crate) fn some(scenes: &[&'static Scene], on: Option<Place>, form: Form) -> Self {
        let mut parts = Vec::new();
        for scene in scenes {
            let known = scene.filesystems.iter().copied().map(Place::Known);
            let places: Vec<Place> = match &on {
                None => known.collect(),
                Some(named @ Place::Named(..)) if scene.needs().is_some() => vec![named.clone()],
                Some(on) => known.filter(|place| place == on).collect(),
            };
            parts.extend(places.into_iter().map(|place| (*scene, place, form)));
        }
        Self {
            parts,
            whole: false,
        }
    }

    /// Every scene on every filesystem.
    pub(crate) fn all(form: Form) -> Self {
        let scenes: Vec<&Scene> = SCENES.iter().collect();
        Self::some(&scenes, None, form)
    }

    /// Runs them; whether all was as expected, and anything was run at all.
    pub(crate) fn run(&self, effort: Effort) -> Result<bool, Failure> {
        if self.parts.is_empty() {
            return Err(Failure::Failed(
                "no such scene is run on that filesystem".to_owned(),
            ));
        }
        fixture::leave_machine()?;
        let ktap = self.parts.iter().any(|(.., form)| *form == Form::Ktap);
        let mut out = stdout();
        let wrote = "writing the report";
        let mut printer = ktap.then(|| Printer::new(stdout(), self.parts.len()));
        let mut reports = Vec::new();
        let mut times = Vec::new();
        let mut before = None;
        for (scene, place, form) in &self.parts {
            let (start, form) = (Instant::now(), *form);
            let report = scene.run(place, effort);
            times.push((start.elapsed(), format!("{}.{}", scene.name, place.name())));
            match form {
                Form::Whole => {
                    if before == Some(Form::Short) {
                        writeln!(out).context(wrote)?;
                    }
                    report.print_whole(&mut out)
                }
                Form::Short => report.print_short(&mut out),
                Form::Ktap => {
                    if let Some(printer) = &mut printer {
                        report.print_ktap(printer, stdout());
                    }
                    Ok(())
                }
            }
            .and_then(|()| out.flush())
            .context(wrote)?;
            before = Some(form);
            reports.push(report);
        }
        match &mut printer {
            Some(printer) => printer.comment(slowest(times)),
            None => {
                let text = summary(&reports) + &slowest(times) + "\n";
                out.write_all(text.as_bytes()).context(wrote)?;
            }
        }
        let run = reports.iter().any(|report| !report.is_skipped());
        Ok(run && reports.iter().all(|report| self.is_good(report)))
    }

    fn is_good(&self, report: &Report) -> bool {
        if report.is_skipped() {
            !self.whole
        } else {
            report.is_good()
        }
    }
}

/// The closing lines.
fn summary(reports: &[Report]) -> String {
    let counts = reports
        .iter()
        .filter(|report| !report.is_skipped())
        .map(Report::counts);
    let (all, good) = counts.fold((0, 0), |sum, (all, good)| (sum.0 + all, sum.1 + good));
    let run = reports.iter().filter(|report| !report.is_skipped()).count();
    let mut text = format!("\n{run} scenes run: {good} of {all} checks as expected");
    match reports.len() - run {
        0 => {}
        left_out => text += &format!(", {left_out} left out"),
    }
    text.push('\n');
    for report in reports
        .iter()
        .filter(|report| !report.is_skipped() && !report.is_good())
    {
        text += &format!(
            "once more: e2e run {} --on {}\n",
            report.name, report.filesystem
        );
    }
    text
}

/// The names and times of the slowest scenes.
fn slowest(mut times: Vec<(Duration, String)>) -> String {
    times.sort_by(|one, other| other.cmp(one));
    let all: Duration = times.iter().map(|(time, _)| *time).sum();
    let slowest = times.iter().take(SLOWEST);
    let slowest: Vec<String> = slowest
        .map(|(time, name)| format!("{name} {:.1} s", time.as_secs_f64()))
        .collect();
    let all = all.as_secs_f64();
    format!("{all:.1} s; the slowest: {}", slowest.join(", "))
}

/// Prints the scenes, their letters, and the filesystems that each runs on.
pub(crate) fn list() {
    for scene in &SCENES {
        let filesystems: Vec<&str> = scene.filesystems.iter().map(|it| it.name).collect();
        let Scene {
            name, alias, title, ..
        } = scene;
        println!("{name:20} {alias}  {title}  [{}]", filesystems.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_scenes_are_named_first() {
        let times =
            (1..=7).map(|tenths| (Duration::from_millis(100 * tenths), format!("{tenths}")));
        assert_eq!(
            slowest(times.collect()),
            "2.8 s; the slowest: 7 0.7 s, 6 0.6 s, 5 0.5 s, 4 0.4 s, 3 0.3 s"
        );
    }
}
