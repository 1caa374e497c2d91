//! All arguments of an event at once, as a tuple.

use serde::de::DeserializeOwned;

use super::{Args, ArgsError};

/// What can be read from the arguments of an event: tuples, with an element for each argument. Further arguments are
/// ignored, as a JavaScript function ignores them; so `()` takes any.
pub trait FromArgs: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// When an argument is missing or of another type; the first such.
    fn from_args(args: &Args) -> Result<Self, ArgsError>;
}

impl FromArgs for () {
    fn from_args(_args: &Args) -> Result<Self, ArgsError> {
        Ok(())
    }
}

macro_rules! tuples {
    ($($type:ident $index:tt),+) => {
        impl<$($type: DeserializeOwned),+> FromArgs for ($($type,)+) {
            fn from_args(args: &Args) -> Result<Self, ArgsError> {
                Ok(($(args.get::<$type>($index)?,)+))
            }
        }
    };
}

tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::args;
    use super::*;

    #[test]
    fn a_tuple_reads_an_argument_each_bytes_among_them() {
        let args = args!["a", 2, Bytes::from_static(&[3])];

        let (text, number, bytes): (String, u8, Bytes) = FromArgs::from_args(&args).unwrap();
        assert_eq!((text.as_str(), number, &*bytes), ("a", 2, &[3][..]));
        assert_eq!(<(String,)>::from_args(&args).unwrap().0, "a", "further arguments are ignored");
    }

    #[test]
    fn the_first_argument_that_does_not_fit_is_named() {
        assert!(matches!(<(u8, u8, u8)>::from_args(&args![1]), Err(ArgsError::Missing { index: 1 })));
        assert!(matches!(<(u8, u8)>::from_args(&args![1, "a"]), Err(ArgsError::Invalid { index: 1, .. })));
    }
}
