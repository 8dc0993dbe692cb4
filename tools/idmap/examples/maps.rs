// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Computes with maps: what an id becomes, the way back, and two maps in one. This needs no rights.

use std::error::Error;

use idmap::IdMaps;

fn main() -> Result<(), Box<dyn Error>> {
    let image: IdMaps = "b:0:100000:65536".parse()?;
    let user = 33;
    println!("{user} is seen as {:?}", image.users().down(user));
    println!("and 100033 is stored as {:?}", image.users().up(100_033));
    println!("the way back is {}", image.clone().inverse());
    let shared: IdMaps = "b:100000:300000:65536".parse()?;
    println!("both in one are {}", image.then(&shared)?);
    println!("with all others: {}", image.with_rest()?);
    Ok(())
}
