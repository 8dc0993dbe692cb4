// SPDX-License-Identifier: GPL-2.0

//! SHA-256 in hexadecimal.

use sha2::{Digest, Sha256};

/// Of some bytes.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Of a text.
pub(crate) fn text(text: &str) -> String {
    bytes(text.as_bytes())
}
