// SPDX-License-Identifier: GPL-2.0

//! A row of the table as a picture: the places that an id passes, from the disk to the caller above,
//! and back below.

use svg::Document;
use svg::node::element::{Group, Line, Marker, Path, Rectangle, Text};

use crate::table::{Ids, Row};

/// The size of a picture.
const WIDTH: usize = 920;
const HEIGHT: usize = 210;
/// The size of a box, and the space between two of them.
const BOX: (usize, usize) = (140, 46);
const GAP: usize = 110;
const LEFT: usize = 15;
/// The upper edges of the two rows of boxes.
const STAT: usize = 45;
const CREATE: usize = 125;

/// Draws a picture.
pub(crate) fn picture(row: &Row) -> String {
    let Ids {
        disk,
        inode,
        mount,
        shown,
        created,
    } = &row.ids;
    let id = |prefix: &str, id: &Option<u32>| match id {
        Some(number) => format!("{prefix}{number}"),
        None => "no id".to_owned(),
    };
    let stat = [
        disk.to_string(),
        id("k", inode),
        id("v", mount),
        shown.to_string(),
    ];
    // The same numbers lead back, unless there are none.
    let create = match created {
        Some(stored) => [
            stored.to_string(),
            id("k", inode),
            id("v", mount),
            shown.to_string(),
        ],
        None => [
            "nothing".to_owned(),
            "EOVERFLOW".to_owned(),
            format!("v{disk}"),
            disk.to_string(),
        ],
    };
    let [filesystem, idmap, caller] = row.maps.each_ref().map(|map| label(map));
    let functions = [
        (filesystem, "make_kuid()", "from_kuid()"),
        (idmap, "make_vfsuid()", "from_vfsuid()"),
        (caller, "from_kuid()", "make_kuid()"),
    ];
    let mut document = Document::new()
        .set("viewBox", (0, 0, WIDTH, HEIGHT))
        .set("font-family", "sans-serif")
        .set("font-size", 13)
        .add(arrow());
    for (column, head) in ["disk", "inode", "mount", "caller"].iter().enumerate() {
        let center = left(column) + BOX.0 / 2;
        document = document
            .add(text(head, center, 20).set("font-weight", "bold"))
            .add(boxed(&stat[column], column, STAT))
            .add(boxed(&create[column], column, CREATE));
    }
    for (column, (map, show, store)) in functions.iter().enumerate() {
        let (start, end) = (left(column) + BOX.0, left(column + 1));
        let center = (start + end) / 2;
        document = document
            .add(line(start + 4, end - 4, STAT + BOX.1 / 2))
            .add(small(show, center, STAT + BOX.1 / 2 - 8))
            .add(small(map, center, STAT + BOX.1 / 2 + 18));
        // A creation that fails does not reach the disk.
        if column > 0 || created.is_some() {
            document = document
                .add(line(end - 4, start + 4, CREATE + BOX.1 / 2))
                .add(small(store, center, CREATE + BOX.1 / 2 - 8));
        }
    }
    let caption = |words: &str, y: usize| small(words, left(3) + BOX.0 / 2, y);
    document = document
        .add(caption("stat()", STAT + BOX.1 + 16))
        .add(caption("creation", CREATE + BOX.1 + 16));
    format!("<!-- SPDX-License-Identifier: GPL-2.0 -->\n{document}\n")
}

/// A map in words.
fn label(map: &str) -> String {
    match map {
        "all" => "(all ids)".to_owned(),
        map => format!("({map})"),
    }
}

/// The left edge of a column.
fn left(column: usize) -> usize {
    LEFT + column * (BOX.0 + GAP)
}

/// The head of an arrow.
fn arrow() -> Marker {
    Marker::new()
        .set("id", "arrow")
        .set("viewBox", "0 0 8 8")
        .set("refX", 7)
        .set("refY", 4)
        .set("markerWidth", 8)
        .set("markerHeight", 8)
        .set("orient", "auto")
        .add(Path::new().set("d", "M0,0 L8,4 L0,8 z"))
}

fn boxed(words: &str, column: usize, top: usize) -> Group {
    Group::new()
        .add(
            Rectangle::new()
                .set("x", left(column))
                .set("y", top)
                .set("width", BOX.0)
                .set("height", BOX.1)
                .set("fill", "white")
                .set("stroke", "black"),
        )
        .add(text(words, left(column) + BOX.0 / 2, top + BOX.1 / 2 + 5))
}

fn text(words: &str, x: usize, y: usize) -> Text {
    Text::new(words)
        .set("x", x)
        .set("y", y)
        .set("text-anchor", "middle")
}

fn small(words: &str, x: usize, y: usize) -> Text {
    text(words, x, y).set("font-size", 11)
}

fn line(from: usize, to: usize, y: usize) -> Line {
    Line::new()
        .set("x1", from)
        .set("x2", to)
        .set("y1", y)
        .set("y2", y)
        .set("stroke", "black")
        .set("marker-end", "url(#arrow)")
}
