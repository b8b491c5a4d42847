//! As much of the interface of `zstd` as the proxy engine names, which says of every body that it cannot be done.
//!
//! The engine can compress what passes through it, and no setting of it takes that out. Doorward hands bodies on as they are; without the
//! coder the program is half a megabyte smaller.
#![forbid(unsafe_code)]

use std::io::{Error, ErrorKind, Result};
use std::path::Path;

fn unsupported<T>() -> Result<T> {
    Err(Error::from(ErrorKind::Unsupported))
}

/// What the engine learns a cache's dictionary with. Doorward has no cache.
pub mod dict {
    use super::{Path, Result, unsupported};

    pub fn from_files<I: IntoIterator<Item = P>, P: AsRef<Path>>(_: I, _: usize) -> Result<Vec<u8>> {
        unsupported()
    }
}

pub mod stream {
    pub mod write {
        use std::io::Write;
        use std::marker::PhantomData;

        use super::super::{Result, unsupported};

        /// A writer through which nothing can be written.
        pub struct Encoder<'a, W: Write>(W, PhantomData<&'a ()>);

        impl<W: Write> Encoder<'static, W> {
            /// The engine unwraps what this says.
            pub fn new(inner: W, _: i32) -> Result<Self> {
                Ok(Self(inner, PhantomData))
            }

            pub fn with_dictionary(_: W, _: i32, _: &[u8]) -> Result<Self> {
                unsupported()
            }
        }

        impl<W: Write> Encoder<'_, W> {
            pub fn get_ref(&self) -> &W {
                &self.0
            }

            pub fn get_mut(&mut self) -> &mut W {
                &mut self.0
            }

            pub fn do_finish(&mut self) -> Result<()> {
                unsupported()
            }
        }

        impl<W: Write> Write for Encoder<'_, W> {
            fn write(&mut self, _: &[u8]) -> Result<usize> {
                unsupported()
            }

            fn flush(&mut self) -> Result<()> {
                unsupported()
            }
        }
    }
}
