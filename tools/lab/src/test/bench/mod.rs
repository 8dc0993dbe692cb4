// SPDX-License-Identifier: GPL-2.0

//! `make bench`: what calls cost on idmapped mounts, in Rust against C.
//!
//! Both engines run the guest program `cost` with a clock that counts
//! instructions. After that, the sizes of their machine code, and what files
//! cost on the filesystem in Rust.

mod files;
mod text;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::guest::boot::{self, Job, Options};
use crate::guest::exec;
use crate::guest::qemu::Accelerator;
use crate::lab::{Engine, Lab};
use crate::ui;

/// What calls cost, by the number of the map's ranges, in the order in which
/// they were measured. No range is a mount that is not idmapped.
type Costs = BTreeMap<u32, Vec<(String, u64)>>;

/// What idmapping may add in Rust, in hundredths of what it adds in C, by the
/// number of ranges.
const MOST_ADDED: [(u32, i64); 3] = [(1, 40), (5, 45), (340, 20)];

/// Measures both engines; the answer is 1 if a bound does not hold.
pub(crate) fn bench(lab: &Lab) -> Result<u8> {
    let rust = measure(lab, Engine::Rust)?;
    let c = measure(lab, Engine::C)?;
    print!("{}", table("Rust, instructions", &rust));
    print!("{}", table("C, instructions", &c));
    let (text, held) = compare(&rust, &c)?;
    print!("{text}");
    let vmlinux = |engine| -> Result<_> { Ok(exec::machine(lab, engine)?.kernel.join("vmlinux")) };
    let text_held = text::bench(&vmlinux(Engine::Rust)?, &vmlinux(Engine::C)?)?;
    let files_held = files::bench(lab)?;
    Ok(u8::from(!(held && text_held && files_held)))
}

fn measure(lab: &Lab, engine: Engine) -> Result<Costs> {
    let machine = exec::machine(lab, engine)?;
    let mut options = Options::new(Job::Exec(OsString::from("cost")), "bench");
    options.accelerator = Accelerator::Icount;
    options.limit = Some(Duration::from_secs(300));
    let label = format!("counting instructions, engine {engine}");
    let outcome = ui::timed(&label, || boot::boot(&lab.cache, &machine, &options))?;
    let status = outcome.status()?;
    let errors = String::from_utf8_lossy(&outcome.errors);
    ensure!(status == 0, "cost ended with status {status}: {errors}");
    parse(&String::from_utf8_lossy(&outcome.output))
}

/// Reads the lines that `cost` prints.
fn parse(output: &str) -> Result<Costs> {
    let mut costs = Costs::new();
    for line in output.lines() {
        let mut words = line.split_whitespace();
        let (ranges, call, cost) = (|| {
            Some((
                words.next()?.parse().ok()?,
                words.next()?.to_owned(),
                words.next()?.parse().ok()?,
            ))
        })()
        .with_context(|| format!("cost printed {line:?}, not RANGES CALL INSTRUCTIONS"))?;
        costs.entry(ranges).or_default().push((call, cost));
    }
    ensure!(!costs.is_empty(), "cost printed nothing");
    Ok(costs)
}

fn table(title: &str, costs: &Costs) -> String {
    let mut text = format!("\n{title:<20}");
    for (call, _) in costs.values().next().into_iter().flatten() {
        let _ = write!(text, "{call:>14}");
    }
    for (ranges, row) in costs {
        let _ = write!(text, "\n{:<20}", name(*ranges));
        for (_, cost) in row {
            let _ = write!(text, "{cost:>14}");
        }
    }
    text.push('\n');
    text
}

fn name(ranges: u32) -> String {
    match ranges {
        0 => "not idmapped".to_owned(),
        1 => "1 range".to_owned(),
        _ => format!("{ranges} ranges"),
    }
}

/// The ratios as a table, and whether every bound holds.
fn compare(rust: &Costs, c: &Costs) -> Result<(String, bool)> {
    let row = |costs: &Costs, ranges| {
        let row = costs.get(&ranges).cloned();
        row.with_context(|| format!("nothing was measured for {ranges} ranges"))
    };
    let (plain, plain_c) = (row(rust, 0)?, row(c, 0)?);
    ensure!(plain.len() == plain_c.len(), "the engines ran other calls");
    let mut text = format!("\n{:<20}", "Rust / C");
    for (call, _) in &plain {
        let _ = write!(text, "{call:>14}");
    }
    let mut held = true;
    let _ = write!(text, "\n{:<20}", "not idmapped");
    for ((_, ours), (_, theirs)) in plain.iter().zip(&plain_c) {
        let _ = write!(text, "{:>14.4}", *ours as f64 / *theirs as f64);
        held &= ours <= theirs;
    }
    for (ranges, most) in MOST_ADDED {
        let _ = write!(text, "\n{:<20}", format!("added by {}", name(ranges)));
        let (mapped, mapped_c) = (row(rust, ranges)?, row(c, ranges)?);
        for (index, ((_, ours), (_, theirs))) in mapped.iter().zip(&mapped_c).enumerate() {
            let ours = *ours as i64 - plain[index].1 as i64;
            let theirs = *theirs as i64 - plain_c[index].1 as i64;
            let _ = write!(text, "{:>14.3}", ours as f64 / theirs as f64);
            held &= ours * 100 <= theirs * most;
        }
    }
    let bounds = MOST_ADDED.map(|(ranges, most)| format!("0.{most} for {}", name(ranges)));
    let _ = write!(
        text,
        "\n\nbounds: 1.00 where not idmapped; added at most {}: {}\n",
        bounds.join(", "),
        if held { "held" } else { "NOT held" }
    );
    Ok((text, held))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(plain: u64, added: [u64; 3]) -> Costs {
        let [one, five, many] = added;
        let text = format!(
            "0 stat {plain}\n1 stat {}\n5 stat {}\n340 stat {}\n",
            plain + one,
            plain + five,
            plain + many
        );
        parse(&text).unwrap()
    }

    #[test]
    fn bounds_are_judged() {
        let c = costs(1000, [100, 100, 100]);
        let held = |rust: Costs| compare(&rust, &c).unwrap().1;
        assert!(held(costs(1000, [40, 45, 20])));
        assert!(!held(costs(1001, [40, 45, 20])));
        assert!(!held(costs(1000, [41, 45, 20])));
        assert!(!held(costs(1000, [40, 46, 20])));
        assert!(!held(costs(1000, [40, 45, 21])));
    }

    #[test]
    fn what_cost_prints_is_read() {
        assert!(parse("").is_err());
        assert!(parse("0 stat many").is_err());
        assert_eq!(parse("5 stat 7\n").unwrap()[&5], [("stat".to_owned(), 7)]);
    }

    #[test]
    fn a_missing_row_is_an_error() {
        let some = parse("0 stat 7\n").unwrap();
        assert!(compare(&some, &some).is_err());
    }
}
