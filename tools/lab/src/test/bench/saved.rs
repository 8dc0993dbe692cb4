// SPDX-License-Identifier: GPL-2.0

//! The cost of several ways to share a root filesystem with containers.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use plotters::prelude::{
    ChartBuilder, Color, IntoDrawingArea, IntoLogRange, LineSeries, Palette, Palette99,
    PathElement, SVGBackend, Text, WHITE,
};

use crate::lab::{Engine, Lab};

/// The first line of a plot.
const LICENSE: &str = "<!-- SPDX-License-Identifier: GPL-2.0 -->";
/// The numbers of containers.
const CONTAINERS: [u32; 3] = [1, 10, 50];
/// The names of the ways, in the order of the guest program.
const METHODS: [(&str, &str); 5] = [
    (
        "chown",
        "chown -R of one tree, from one container to the next",
    ),
    ("copy", "cp -a and chown -R, a tree for each container"),
    ("metacopy", "overlayfs with metacopy, and chown -R"),
    ("idmap", "idmapped mounts"),
    ("overlay", "overlayfs over idmapped mounts"),
];

/// Instructions and bytes, by way and number of containers.
type Costs = BTreeMap<(String, u32), (u64, u64)>;

/// Measures, prints a table, and writes plots beside the log.
pub(super) fn bench(lab: &Lab, files: u64) -> Result<()> {
    let numbers = CONTAINERS.map(|number| number.to_string()).join(" ");
    let command = format!("cost saved {files} {numbers}");
    let costs = parse(&super::count(lab, Engine::Rust, &command, "bench-saved")?)?;
    print!("{}", table(files, &costs)?);
    type Number = fn(&(u64, u64)) -> u64;
    let plots: [(&str, &str, Number); 2] = [
        ("bench-saved-instructions", "instructions", |cost| cost.0),
        ("bench-saved-bytes", "bytes on disk", |cost| cost.1),
    ];
    for (stem, label, number) in plots {
        let path = lab.cache.log(stem)?.with_extension("svg");
        plot(&path, &format!("{label}, {files} files"), &costs, number)?;
        println!("plot: {}", path.display());
    }
    Ok(())
}

/// Reads the lines that `cost saved` prints.
fn parse(output: &str) -> Result<Costs> {
    let line = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let key = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        let cost = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some((key, cost))
    };
    let costs: Costs = output
        .lines()
        .map(|text| line(text).with_context(|| format!("cost printed {text:?}")))
        .collect::<Result<_>>()?;
    ensure!(
        costs.len() == METHODS.len() * CONTAINERS.len(),
        "cost printed too little"
    );
    Ok(costs)
}

/// Returns the description of a way.
pub(super) fn name(method: &str) -> Result<&'static str> {
    let found = METHODS.iter().find(|(name, _)| *name == method);
    found
        .map(|(_, name)| *name)
        .with_context(|| format!("cost printed {method:?}, which is no way to share files"))
}

fn cost(costs: &Costs, method: &str, number: u32) -> Result<(u64, u64)> {
    let cost = costs.get(&(method.to_owned(), number)).copied();
    cost.with_context(|| format!("no cost of {method} for {number} containers"))
}

fn table(files: u64, costs: &Costs) -> Result<String> {
    let mut text = format!("\n{:<56}", format!("{files} files for containers"));
    for number in CONTAINERS {
        let _ = write!(text, "{number:>20}");
    }
    text.push('\n');
    for (method, name) in METHODS {
        let _ = write!(text, "{name:<56}");
        for number in CONTAINERS {
            let (instructions, bytes) = cost(costs, method, number)?;
            let (millions, kib) = (instructions as f64 / 1e6, bytes / 1024);
            let _ = write!(text, "{:>20}", format!("{millions:.2} M, {kib} K"));
        }
        text.push('\n');
    }
    Ok(text)
}

/// Writes a plot to a file.
fn plot(path: &Path, label: &str, costs: &Costs, of: fn(&(u64, u64)) -> u64) -> Result<()> {
    let mut svg = format!("{LICENSE}\n");
    draw(&mut svg, label, costs, of)?;
    fs::write(path, svg).with_context(|| format!("cannot write {}", path.display()))
}

/// Draws a line for each way, and their names beside the chart. Both scales are logarithmic.
fn draw(svg: &mut String, label: &str, costs: &Costs, of: fn(&(u64, u64)) -> u64) -> Result<()> {
    let most = costs.values().map(of).max().unwrap_or(1).max(10);
    let least = costs
        .values()
        .map(of)
        .filter(|number| *number > 0)
        .min()
        .unwrap_or(1);
    let containers = CONTAINERS[0]..CONTAINERS[CONTAINERS.len() - 1];
    let area = SVGBackend::with_string(svg, (960, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(580);
    let mut chart = ChartBuilder::on(&left)
        .caption(label, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(
            containers.log_scale(),
            (least as f64 / 2.0..most as f64 * 2.0).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("containers")
        .y_label_formatter(&|number| format!("{number:.0e}"))
        .draw()?;
    for (index, (method, name)) in METHODS.iter().enumerate() {
        let colour = Palette99::pick(index).stroke_width(2);
        let points = CONTAINERS.iter().map(|&number| {
            let of_number = of(&cost(costs, method, number)?);
            // A logarithmic scale has no zero.
            Ok((number, (of_number as f64).max(least as f64 / 2.0)))
        });
        chart.draw_series(LineSeries::new(points.collect::<Result<Vec<_>>>()?, colour))?;
        let y = 60 + 24 * index as i32;
        right.draw(&PathElement::new([(0, y), (24, y)], colour))?;
        right.draw(&Text::new(*name, (32, y - 7), ("sans-serif", 14)))?;
    }
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs() -> Costs {
        let lines = METHODS.iter().flat_map(|(method, _)| {
            CONTAINERS.map(|number| format!("saved {method} {number} {} {number}\n", 5 * number))
        });
        parse(&lines.collect::<String>()).unwrap()
    }

    #[test]
    fn the_table_has_each_way() {
        let text = table(7, &costs()).unwrap();
        assert!(METHODS.iter().all(|(_, name)| text.contains(name)));
    }

    #[test]
    fn the_plot_has_each_way() {
        let scratch = crate::scratch::Scratch::new();
        let path = scratch.path().join("plot.svg");
        plot(&path, "instructions", &costs(), |cost| cost.0).unwrap();
        let svg = fs::read_to_string(&path).unwrap();
        assert!(svg.starts_with(&format!("{LICENSE}\n<svg ")));
        assert!(METHODS.iter().all(|(_, name)| svg.contains(name)));
    }

    #[test]
    fn what_is_missing_or_unreadable_is_an_error() {
        assert!(parse("saved chown 1 many 0\n").is_err());
        assert!(parse("saved chown 1 7 0\n").is_err());
    }
}
