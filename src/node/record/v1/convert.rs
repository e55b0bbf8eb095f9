//! Conversions between a stored type and the type of the domain that it stores.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// A conversion that cannot fail. Unlike `From` it reaches into containers.
pub trait Convert<T> {
    fn convert(self) -> T;
}

macro_rules! same {
    ($($type:ty),+) => {
        $(impl Convert<$type> for $type {
            fn convert(self) -> $type {
                self
            }
        })+
    };
}

same!(bool, u8, u16, u32, u64, i32, i64, String, PathBuf, Duration, SystemTime, SocketAddr);

impl<A: Convert<B>, B> Convert<Option<B>> for Option<A> {
    fn convert(self) -> Option<B> {
        self.map(A::convert)
    }
}

impl<A: Convert<B>, B> Convert<Box<B>> for Box<A> {
    fn convert(self) -> Box<B> {
        Box::new((*self).convert())
    }
}

impl<A: Convert<B>, B> Convert<Vec<B>> for Vec<A> {
    fn convert(self) -> Vec<B> {
        self.into_iter().map(A::convert).collect()
    }
}

impl<K: Ord, A: Convert<B>, B> Convert<BTreeMap<K, B>> for BTreeMap<K, A> {
    fn convert(self) -> BTreeMap<K, B> {
        self.into_iter().map(|(key, value)| (key, value.convert())).collect()
    }
}

impl<A: Convert<B>, B, C: Convert<D>, D> Convert<(B, D)> for (A, C) {
    fn convert(self) -> (B, D) {
        (self.0.convert(), self.1.convert())
    }
}

/// Defines an enum without fields, and its conversions.
macro_rules! plain {
    (
        $(#[$attribute:meta])* $here:ident = $module:ident::$there:ident:
        $($(#[$of_variant:meta])* $variant:ident),+ $(,)?
    ) => {
        #[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
        $(#[$attribute])*
        pub enum $here { $($(#[$of_variant])* $variant),+ }

        impl Convert<$here> for $module::$there {
            fn convert(self) -> $here {
                match self { $(Self::$variant => $here::$variant),+ }
            }
        }

        impl Convert<$module::$there> for $here {
            fn convert(self) -> $module::$there {
                match self { $(Self::$variant => $module::$there::$variant),+ }
            }
        }
    };
}

/// Defines a struct with the fields of a type of the domain, and its conversions.
macro_rules! record {
    ($(#[$of_type:meta])* $here:ident = $module:ident::$there:ident {
        $($(#[$attribute:meta])* $field:ident: $type:ty),+ $(,)?
    }) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        $(#[$of_type])*
        pub struct $here { $($(#[$attribute])* $field: $type),+ }

        impl Convert<$here> for $module::$there {
            fn convert(self) -> $here {
                $here { $($field: self.$field.convert()),+ }
            }
        }

        impl Convert<$module::$there> for $here {
            fn convert(self) -> $module::$there {
                $module::$there { $($field: self.$field.convert()),+ }
            }
        }
    };
}

/// Defines an enum with fields, and its conversions. A variant `V(value: T)` is stored as `V(T)`.
macro_rules! choice {
    ($here:ident = $module:ident::$there:ident {
        $($variant:ident $(($value:ident: $inner:ty))?
            $({ $($(#[$attribute:meta])* $field:ident: $type:ty),+ $(,)? })?),+ $(,)?
    }) => {
        #[derive(serde::Serialize, serde::Deserialize)]
        pub enum $here {
            $($variant $(($inner))? $({ $($(#[$attribute])* $field: $type),+ })?),+
        }

        impl Convert<$here> for $module::$there {
            fn convert(self) -> $here {
                match self {
                    $(Self::$variant $(($value))? $({ $($field),+ })? => {
                        $here::$variant $(($value.convert()))?
                            $({ $($field: $field.convert()),+ })?
                    })+
                }
            }
        }

        impl Convert<$module::$there> for $here {
            fn convert(self) -> $module::$there {
                match self {
                    $(Self::$variant $(($value))? $({ $($field),+ })? => {
                        $module::$there::$variant $(($value.convert()))?
                            $({ $($field: $field.convert()),+ })?
                    })+
                }
            }
        }
    };
}

pub(super) use {choice, plain, record};
