// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The header is the one that cbindgen generates; with `IDMAP_WRITE_HEADER=1` it is written anew.

use std::{env, fs, path::Path};

const HEAD: &str = "\
/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Idmapped mounts of Linux: the C interface of libidmap.so.
 *
 * Each function that can fail returns a negative error number and leaves a
 * message for idmap_error_message(). A pointer that must not be NULL and is
 * fails with -EINVAL. Functions may be called by several threads at a time, if
 * none of them frees what another one uses.
 */";

/// Generates the header.
fn generate() -> String {
    let config = cbindgen::Config {
        header: Some(HEAD.to_owned()),
        include_guard: Some("IDMAP_H".to_owned()),
        language: cbindgen::Language::C,
        cpp_compat: true,
        no_includes: true,
        sys_includes: vec!["stddef.h".to_owned(), "stdint.h".to_owned()],
        style: cbindgen::Style::Tag,
        documentation_style: cbindgen::DocumentationStyle::Doxy,
        ..cbindgen::Config::default()
    };
    let library = cbindgen::generate_with_config(env!("CARGO_MANIFEST_DIR"), config);
    let mut text = Vec::new();
    library.expect("the library is read").write(&mut text);
    let text = String::from_utf8(text).expect("a text");
    without_safety(&text)
}

/// Leaves the sections for callers in Rust out, which repeat the parameters.
fn without_safety(text: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut is_left_out = false;
    for line in text.lines() {
        if line == " * # Safety" {
            is_left_out = true;
            if kept.last() == Some(&" *") {
                kept.pop();
            }
        }
        is_left_out &= line != " */";
        if !is_left_out {
            kept.push(line);
        }
    }
    let text = kept.join("\n") + "\n";
    // One kind of comments, with one blank before them.
    text.replace("#endif  /*", "#endif /*")
        .replace(" // __cplusplus", " /* __cplusplus */")
        .replace(" // extern \"C\"", " /* extern \"C\" */")
        .replace("#endif  ", "#endif ")
        .replace("}  ", "} ")
}

#[test]
fn the_header_is_that_of_the_source() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/idmap.h");
    let text = generate();
    if env::var_os("IDMAP_WRITE_HEADER").is_some() {
        fs::write(&path, &text).expect("the header is written");
    }
    let old = fs::read_to_string(&path).unwrap_or_default();
    let hint = "run this test with IDMAP_WRITE_HEADER=1";
    assert!(old == text, "the header is out of date: {hint}");
}
