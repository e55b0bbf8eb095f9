//! The reasons of a `Status` and their HTTP codes.

/// Why a request failed, by Kubernetes' names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// 400.
    BadRequest,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 406.
    NotAcceptable,
    /// 409, of a creation.
    AlreadyExists,
    /// 409, of an update.
    Conflict,
    /// 410, for ever.
    Gone,
    /// 410, of a resource version.
    Expired,
    /// 413.
    RequestEntityTooLarge,
    /// 415.
    UnsupportedMediaType,
    /// 422.
    Invalid,
    /// 429.
    TooManyRequests,
    /// 500.
    InternalError,
    /// 503.
    ServiceUnavailable,
    /// 504.
    Timeout,
}

impl Reason {
    /// The value of `reason`.
    pub fn as_str(self) -> &'static str {
        self.row().0
    }

    /// The HTTP status code.
    pub fn code(self) -> u16 {
        self.row().1
    }

    fn row(self) -> (&'static str, u16) {
        match self {
            Self::BadRequest => ("BadRequest", 400),
            Self::Unauthorized => ("Unauthorized", 401),
            Self::Forbidden => ("Forbidden", 403),
            Self::NotFound => ("NotFound", 404),
            Self::MethodNotAllowed => ("MethodNotAllowed", 405),
            Self::NotAcceptable => ("NotAcceptable", 406),
            Self::AlreadyExists => ("AlreadyExists", 409),
            Self::Conflict => ("Conflict", 409),
            Self::Gone => ("Gone", 410),
            Self::Expired => ("Expired", 410),
            Self::RequestEntityTooLarge => ("RequestEntityTooLarge", 413),
            Self::UnsupportedMediaType => ("UnsupportedMediaType", 415),
            Self::Invalid => ("Invalid", 422),
            Self::TooManyRequests => ("TooManyRequests", 429),
            Self::InternalError => ("InternalError", 500),
            Self::ServiceUnavailable => ("ServiceUnavailable", 503),
            Self::Timeout => ("Timeout", 504),
        }
    }
}
