//! HTTP methods and the verbs of the API.

use crate::query::Query;

/// An HTTP method that the API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD, which reads as GET does.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

impl Method {
    /// Reads the name of a method. Any other method is answered with 405.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => return None,
        })
    }
}

/// What a request does to a resource, by the names that access reviews use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// One object.
    Get,
    /// A collection.
    List,
    /// The changes of a collection.
    Watch,
    /// A new object, or the use of a subresource such as `exec`.
    Create,
    /// An object is replaced.
    Update,
    /// An object is changed.
    Patch,
    /// One object is deleted.
    Delete,
    /// A collection is deleted.
    DeleteCollection,
}

impl Verb {
    /// The name in discovery documents and access reviews.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }

    /// `None` if the method has no meaning here: PUT of a collection, POST to an object.
    pub(super) fn of(method: Method, named: bool, sub: bool, query: &Query) -> Option<Self> {
        Some(match (method, named) {
            (Method::Get | Method::Head, true) => Self::Get,
            (Method::Get | Method::Head, false) => match query.flag("watch") {
                Some(true) => Self::Watch,
                _ => Self::List,
            },
            (Method::Post, false) => Self::Create,
            (Method::Post, true) if sub => Self::Create,
            (Method::Put, true) => Self::Update,
            (Method::Patch, true) => Self::Patch,
            (Method::Delete, true) => Self::Delete,
            (Method::Delete, false) => Self::DeleteCollection,
            _ => return None,
        })
    }
}
