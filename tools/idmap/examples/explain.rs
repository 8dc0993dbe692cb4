// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Explains whether a user may do something: `explain UID OPERATION PATH`, such as
//! `explain 1000 open:rw /mnt/file`.

use std::error::Error;

use idmap::explain::{Caller, Explainer, Request, Told, UserNsView};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [user, operation, path] = &arguments[..] else {
        return Err("usage: explain UID OPERATION PATH".into());
    };
    let user = user.parse()?;
    let caller = Caller::in_namespace(UserNsView::ours()?, user, user, &[])?;
    let request = Request {
        caller: &caller,
        operation: operation.parse()?,
        path: path.into(),
    };
    let explanation = Explainer::new(Told::default()).explain(&request)?;
    match explanation.refusal() {
        None => println!("it works"),
        Some(check) => {
            println!(
                "{} fails in {}: {:?}",
                check.what, check.rule, check.refusal
            );
        }
    }
    Ok(())
}
