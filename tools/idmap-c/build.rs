// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Names the library for programs that are linked with it. The number changes with each change
//! that such a program does not survive.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libidmap.so.0");
}
