//! As much of the interface of `brotli` as the proxy engine names, which says of every body that it cannot be done.
//!
//! The engine can compress and decompress what passes through it, and no setting of it takes that out. Doorward hands bodies on as they
//! are: without the coder and its dictionary a build is faster, the program a megabyte smaller, and nobody's bytes reach a decompressor.
#![forbid(unsafe_code)]

use std::io::{Error, ErrorKind, Result, Write};

/// A writer through which nothing can be written.
macro_rules! writer {
    ($name:ident, $($unused:ident: $kind:ty),*) => {
        pub struct $name<W: Write>(W);

        impl<W: Write> $name<W> {
            pub fn new(inner: W, $($unused: $kind),*) -> Self {
                let _ = ($($unused,)*);
                Self(inner)
            }

            pub fn get_ref(&self) -> &W {
                &self.0
            }

            pub fn get_mut(&mut self) -> &mut W {
                &mut self.0
            }
        }

        impl<W: Write> Write for $name<W> {
            fn write(&mut self, _: &[u8]) -> Result<usize> {
                Err(Error::from(ErrorKind::Unsupported))
            }

            fn flush(&mut self) -> Result<()> {
                Err(Error::from(ErrorKind::Unsupported))
            }
        }
    };
}

writer!(CompressorWriter, buffer: usize, quality: u32, window: u32);
writer!(DecompressorWriter, buffer: usize);
