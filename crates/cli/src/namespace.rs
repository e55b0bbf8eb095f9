//! The namespace that a verb works in: `-n` and `-A`.

use serde_json::Value;

use super::error::{Error, Result};
use probelet_api::pb;

/// The namespace of pods without another one.
const DEFAULT: &str = "default";
/// The namespace of adopted containers, which are listed together with the pods of `default`.
const ADOPTED: &str = "probelet-adopted";

/// The flag `-n` of verbs that work on pods by name.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Namespace {
    /// The namespace of the pod; by default `default`.
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
}

impl Namespace {
    #[cfg(test)]
    pub fn of(name: &str) -> Self {
        Self { namespace: Some(name.to_owned()) }
    }

    /// The namespace of the pod of a request. The daemon would find the only pod of that name in any
    /// namespace; a verb works in one namespace, as in kubectl.
    pub fn name(&self) -> String {
        let given = self.namespace.as_deref().filter(|name| !name.is_empty());
        given.unwrap_or(DEFAULT).to_owned()
    }

    /// The namespace for a message, unless it is `default`.
    pub fn other(&self) -> Option<&str> {
        self.namespace.as_deref().filter(|name| !name.is_empty() && *name != DEFAULT)
    }

    /// Gives each object of a manifest this namespace if one is given. The error for an object with
    /// another namespace has kubectl's text.
    pub fn fill_in(&self, objects: &mut [Value]) -> Result<()> {
        let Some(wanted) = self.namespace.as_deref().filter(|name| !name.is_empty()) else {
            return Ok(());
        };
        objects.iter_mut().try_for_each(|object| fill_in(object, wanted))
    }
}

fn fill_in(object: &mut Value, wanted: &str) -> Result<()> {
    let given = object.pointer("/metadata/namespace").and_then(Value::as_str);
    match given.filter(|given| !given.is_empty()) {
        Some(given) if given != wanted => Err(Error::Other(format!(
            "the namespace from the provided object {given:?} does not match the namespace \
             {wanted:?}. You must pass '--namespace={given}' to perform this operation."
        ))),
        Some(_) => Ok(()),
        None => {
            // An object without metadata is refused later, with its position.
            if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
                metadata.insert("namespace".to_owned(), wanted.into());
            }
            Ok(())
        }
    }
}

/// The flags `-n` and `-A` of verbs that list pods.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Namespaces {
    #[command(flatten)]
    one: Namespace,
    /// List the pods of all namespaces, also if one is given; takes no names.
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

impl Namespaces {
    /// Reports names together with `-A`, with kubectl's text.
    pub fn check(&self, names: &[String]) -> Result<()> {
        if self.all_namespaces && !names.is_empty() {
            let why = "a resource cannot be retrieved by name across all namespaces";
            return Err(Error::Usage(why.to_owned()));
        }
        Ok(())
    }

    /// Gives each object of a manifest the namespace of `-n`.
    pub fn fill_in(&self, objects: &mut [Value]) -> Result<()> {
        self.one.fill_in(objects)
    }

    /// The pods of all namespaces.
    pub fn all() -> Self {
        Self { one: Namespace::default(), all_namespaces: true }
    }

    /// The pods of one namespace; if the name is empty, of `default` and the adopted containers.
    pub fn only(name: &str) -> Self {
        let namespace = (!name.is_empty()).then(|| name.to_owned());
        Self { one: Namespace { namespace }, all_namespaces: false }
    }

    /// True if the lists have a column of namespaces.
    pub fn are_all(&self) -> bool {
        self.all_namespaces
    }

    /// The namespace of the pod of a request.
    pub fn name(&self) -> String {
        self.one.name()
    }

    /// The namespace of a list. Without a flag it is requested of all namespaces, because the pods of
    /// `default` and adopted containers are [shown](Self::shows).
    pub fn of_list(&self) -> String {
        let given = self.one.namespace.clone().filter(|_| !self.all_namespaces);
        given.unwrap_or_default()
    }

    /// The namespace of a request for one pod, or for all if it is empty.
    pub fn of(&self, pod: &str) -> String {
        if pod.is_empty() { self.of_list() } else { self.name() }
    }

    /// True if a list has the pods of this namespace, which older daemons do not name.
    pub fn shows(&self, namespace: &str) -> bool {
        match &self.one.namespace {
            _ if self.all_namespaces => true,
            Some(wanted) if !wanted.is_empty() => namespace == wanted,
            _ => ["", DEFAULT, ADOPTED].contains(&namespace),
        }
    }

    /// True if a choice of pods, such as `--all`, has those of this namespace: adopted containers are
    /// meant only by their names, or by their namespace.
    pub fn shows_own(&self, namespace: &str) -> bool {
        let is_named = self.one.other() == Some(ADOPTED);
        self.shows(namespace) && (namespace != ADOPTED || is_named)
    }

    pub fn shows_pod(&self, pod: &pb::Pod) -> bool {
        self.shows(&pod.namespace)
    }

    /// Which namespaces, for a title.
    pub fn title(&self) -> String {
        match self.all_namespaces {
            true => "all namespaces".to_owned(),
            false => format!("namespace {}", self.name()),
        }
    }

    /// The text for an empty list, as kubectl has it.
    pub fn none_found(&self) -> String {
        match self.one.other().filter(|_| !self.all_namespaces) {
            Some(name) => format!("No resources found in {name} namespace."),
            None => "No resources found.".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(namespace: &str) -> Namespace {
        Namespace::of(namespace)
    }

    #[test]
    fn a_manifest_gets_the_namespace_and_may_not_have_another() {
        let mut objects = [json!({"metadata": {"name": "web"}}), json!({"kind": "Pod"})];
        of("a").fill_in(&mut objects).unwrap();
        assert_eq!(objects[0], json!({"metadata": {"name": "web", "namespace": "a"}}));
        of("a").fill_in(&mut objects).unwrap();
        Namespace::default().fill_in(&mut objects).unwrap();
        let refused = of("b").fill_in(&mut objects).unwrap_err().lines().join("\n");
        assert_eq!(
            refused,
            "error: the namespace from the provided object \"a\" does not match the namespace \
             \"b\". You must pass '--namespace=a' to perform this operation."
        );
    }

    #[test]
    fn a_list_without_a_flag_is_of_the_default_namespace_and_adopted_containers() {
        let shown = |list: &Namespaces| {
            ["default", "a", "b", ADOPTED, ""].map(|namespace| list.shows(namespace))
        };
        let list = |one: Namespace, all_namespaces| Namespaces { one, all_namespaces };
        assert_eq!(shown(&list(Namespace::default(), false)), [true, false, false, true, true]);
        assert_eq!(shown(&list(of("a"), false)), [false, true, false, false, false]);
        assert_eq!(shown(&list(Namespace::default(), true)), [true; 5]);
        let all = list(of("a"), true);
        assert_eq!((shown(&all), all.of_list().as_str()), ([true; 5], ""));
        assert_eq!(all.none_found(), "No resources found.");
        assert_eq!(list(of("a"), false).none_found(), "No resources found in a namespace.");
        assert!(all.check(&["web".to_owned()]).is_err() && all.check(&[]).is_ok());
    }
}
