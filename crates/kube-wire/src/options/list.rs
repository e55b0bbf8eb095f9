//! Options of lists and watches.

use std::time::Duration;

use super::{META, checked};
use crate::query::{ParameterError, Query};
use crate::selector::{FieldSelector, LabelSelector};
use crate::status::{FieldError, Status};

/// From which resource version on a list or a watch reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VersionRequest {
    /// Not set: the newest state. A watch begins with the state as `ADDED` events.
    #[default]
    Unset,
    /// `0`: any state. Also a watch begins with the state.
    Any,
    /// A state at or behind this version. A watch continues there.
    At(u64),
}

/// How `resourceVersion` is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionMatch {
    /// Exactly this version.
    Exact,
    /// This version or a newer one.
    NotOlderThan,
}

/// Options of a list or a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOptions {
    /// Which labels are selected.
    pub labels: LabelSelector,
    /// Which fields are selected. The resource's `Selectable` checks the names.
    pub fields: FieldSelector,
    /// True for a watch.
    pub watch: bool,
    /// True if a watch gets `BOOKMARK` events.
    pub bookmarks: bool,
    /// Whether a watch begins with the state and a bookmark behind it; `None` if not asked.
    pub initial_events: Option<bool>,
    /// The resource version to read from.
    pub version: VersionRequest,
    /// How the resource version is meant.
    pub version_match: Option<VersionMatch>,
    /// The most objects of a page.
    pub limit: Option<u64>,
    /// The token of the next page.
    pub continue_token: Option<String>,
    /// When the server closes a watch.
    pub timeout: Option<Duration>,
}

impl ListOptions {
    /// Reads the options of a list or a watch.
    pub fn parse(query: &Query) -> Result<Self, Status> {
        let positive = |name| {
            let number = query.integer(name)?;
            Ok::<_, ParameterError>(
                number.and_then(|it| u64::try_from(it).ok()).filter(|it| *it > 0),
            )
        };
        let mut errors = Vec::new();
        let options = Self {
            labels: LabelSelector::parse(query.first("labelSelector").unwrap_or_default())?,
            fields: FieldSelector::parse(query.first("fieldSelector").unwrap_or_default())?,
            watch: query.flag("watch").unwrap_or(false),
            bookmarks: query.flag("allowWatchBookmarks").unwrap_or(false),
            initial_events: query.flag("sendInitialEvents"),
            version: version(query)?,
            version_match: version_match(query, &mut errors),
            limit: positive("limit")?,
            continue_token: query.text("continue").map(str::to_owned),
            timeout: positive("timeoutSeconds")?.map(Duration::from_secs),
        };
        let matching = query.text("resourceVersionMatch").is_some();
        if options.watch {
            options.check_watch(matching, &mut errors);
        } else {
            options.check_list(matching, &mut errors);
        }
        checked(META, "ListOptions", &errors)?;
        Ok(options)
    }

    fn check_watch(&self, matching: bool, errors: &mut Vec<FieldError>) {
        let exact = self.version_match == Some(VersionMatch::Exact);
        let field = "resourceVersionMatch";
        if self.initial_events.is_some() && self.version_match != Some(VersionMatch::NotOlderThan) {
            let text = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
            errors.push(FieldError::forbidden(field, text));
        }
        if matching && self.initial_events.is_none() {
            let text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is \
                        provided";
            errors.push(FieldError::forbidden(field, text));
        }
        if exact {
            errors.push(FieldError::not_supported(field, "Exact", &["NotOlderThan"]));
        }
        self.check_continue(matching, errors);
    }

    fn check_list(&self, matching: bool, errors: &mut Vec<FieldError>) {
        let field = "resourceVersionMatch";
        if matching && self.version == VersionRequest::Unset {
            let text = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            errors.push(FieldError::forbidden(field, text));
        }
        self.check_continue(matching, errors);
        if self.version_match == Some(VersionMatch::Exact) && self.version == VersionRequest::Any {
            let text = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(FieldError::forbidden(field, text));
        }
        if self.initial_events.is_some() {
            let text = "sendInitialEvents is forbidden for list";
            errors.push(FieldError::forbidden("sendInitialEvents", text));
        }
    }

    fn check_continue(&self, matching: bool, errors: &mut Vec<FieldError>) {
        if matching && self.continue_token.is_some() {
            let text = "resourceVersionMatch is forbidden when continue is provided";
            errors.push(FieldError::forbidden("resourceVersionMatch", text));
        }
    }
}

fn version(query: &Query) -> Result<VersionRequest, ParameterError> {
    match query.text("resourceVersion") {
        None => Ok(VersionRequest::Unset),
        Some("0") => Ok(VersionRequest::Any),
        Some(text) => {
            let expected = "must be a decimal number";
            let error = || ParameterError::value("resourceVersion", text, expected);
            let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
            let version = text.parse().ok().filter(|_| is_decimal).ok_or_else(error)?;
            Ok(VersionRequest::At(version))
        }
    }
}

fn version_match(query: &Query, errors: &mut Vec<FieldError>) -> Option<VersionMatch> {
    match query.text("resourceVersionMatch")? {
        "Exact" => Some(VersionMatch::Exact),
        "NotOlderThan" => Some(VersionMatch::NotOlderThan),
        other => {
            let supported = ["Exact", "NotOlderThan", ""];
            errors.push(FieldError::not_supported("resourceVersionMatch", other, &supported));
            None
        }
    }
}
