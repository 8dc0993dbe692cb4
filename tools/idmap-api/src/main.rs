// SPDX-License-Identifier: GPL-2.0

//! Lists the public items of a library, from the JSON that rustdoc has written of it. The
//! implementations that each type has, or gets by its contents, are left out.

use std::{env, process::ExitCode};

use public_api::Builder;

fn main() -> ExitCode {
    let Some(path) = env::args_os().nth(1) else {
        eprintln!("idmap-api: give the path of rustdoc's JSON");
        return ExitCode::from(2);
    };
    let library = Builder::from_rustdoc_json(&path)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build();
    match library {
        Ok(library) => {
            print!("{library}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("idmap-api: {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
