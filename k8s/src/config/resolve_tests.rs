//! Kubeconfigs, merged and resolved.

use std::path::Path;

use super::*;

fn merged(files: &[(&str, &str)]) -> Merged {
    let mut merged = Merged::default();
    for (file, text) in files {
        merged.add(Path::new(file), text.as_bytes()).unwrap();
    }
    merged
}

fn resolved(files: &[(&str, &str)], context: Option<&str>) -> Result<Config, String> {
    resolve(&merged(files), context, &Environment::default()).map_err(|error| error.to_string())
}

/// A kubeconfig of one context, with these lines in its cluster and in its user.
fn one(cluster: &str, user: &str) -> String {
    format!(
        r#"{{"current-context":"c","contexts":[{{"name":"c","context":{{"cluster":"k","user":"u"}}}}],
        "clusters":[{{"name":"k","cluster":{{{cluster}}}}}],"users":[{{"name":"u","user":{{{user}}}}}]}}"#
    )
}

fn user(user: &str) -> Result<Config, String> {
    resolved(&[("/kube/config", &one(r#""server":"http://h""#, user))], None)
}

fn cluster(cluster: &str) -> Result<Config, String> {
    resolved(&[("/kube/config", &one(cluster, ""))], None)
}

#[track_caller]
fn fails(result: Result<Config, String>, wanted: &[&str]) {
    let text = result.unwrap_err();
    assert!(wanted.iter().all(|part| text.contains(part)), "{text}");
}

#[test]
fn servers() {
    let check = |url: &str, wanted: &str| {
        assert_eq!(
            Server::parse(url).map_or_else(|_| "error".to_owned(), |server| server.to_string()),
            wanted,
            "{url}"
        );
    };
    check("https://h", "https://h:443");
    check("http://h", "http://h:80");
    check("https://10.0.0.1:6443/", "https://10.0.0.1:6443");
    check("https://[::1]", "https://[::1]:443");
    check("https://[fd00::1]:6443", "https://[fd00::1]:6443");
    check("https://h/k8s/clusters/c-1/", "https://h:443/k8s/clusters/c-1");
    check("h:6443", "error");
    check("https://", "error");
    check("https://::1", "error");
    check("https://h:port", "error");
    check("https://u:p@h", "error");
    check("https://a b", "error");
    check("ftp://h", "error");
    let header = |url: &str| Server::parse(url).unwrap().host_header();
    assert_eq!(
        [header("https://h:443"), header("http://h:443"), header("https://[::1]")],
        ["h", "h:443", "[::1]"]
    );
}

#[test]
fn the_first_to_name_a_thing_wins() {
    let first = "
current-context:
contexts: [{name: a, context: {cluster: k, user: u, namespace: web}}]
clusters: [{name: k, cluster: {server: 'http://first'}}]
users:";
    let second = "
current-context: a
contexts: [{name: a, context: {cluster: other}}, {name: b, context: {cluster: k}}]
clusters: [{name: k, cluster: {server: 'http://second'}}]
users: [{name: u, user: {tokenFile: token}}]";
    let files = [("/one/config", first), ("/two/config", second)];
    let config = resolved(&files, None).unwrap();
    assert_eq!(config.server.host, "first");
    assert_eq!((config.namespace.as_str(), config.names_namespace), ("web", true));
    assert_eq!(config.credentials, Credentials::TokenFile("/two/token".into()));
    let other = resolved(&files, Some("b")).unwrap();
    assert!(!other.names_namespace);
    assert_eq!((other.namespace.as_str(), other.credentials), ("default", Credentials::None));
}

#[test]
fn what_is_missing_is_named_with_what_there_is() {
    let text = "contexts: [{name: a, context: {cluster: k}}, {name: b, context: {cluster: k, user: u}}]\nclusters: []";
    let check = |context, wanted: &[&str]| fails(resolved(&[("/x", text)], context), wanted);
    check(None, &["/x", "current-context", "a, b"]);
    check(Some("z"), &["/x", "context \"z\"", "a, b"]);
    let nameless = "contexts: [{context: {cluster: k}}]";
    fails(resolved(&[("/x", nameless)], None), &["choose a context, there are: none that has a name"]);
    check(Some("a"), &["/x (line 1): context \"a\"", "cluster \"k\"", "none"]);
}

/// Each entry on lines of its own, with one thing wrong.
#[test]
fn an_entry_that_is_wrong_is_named_by_file_and_line() {
    let text = |cluster: &str, user: &str| {
        format!(
            "current-context: c\ncontexts:\n- name: c\n  context: {{cluster: k, user: u}}\nclusters:\n- null\n\n- name: k\n  cluster:\n    \
             {cluster}\nusers:\n- name: v\n- name: u\n  user:\n    {user}\n"
        )
    };
    let check = |cluster: &str, user: &str, wanted: &str| {
        let other = "users: [{name: w}]";
        fails(resolved(&[("/o", other), ("/x", &text(cluster, user))], None), &[wanted]);
    };
    let fine = "server: http://h";
    check("server: h:6443", "token: t", "/x (line 8): cluster \"k\": ");
    check("{server: 'http://h', proxy-url: 'ftp://p'}", "token: t", "/x (line 8): cluster \"k\": ");
    check("{server: 'https://h', certificate-authority-data: '%'}", "", "/x (line 8): cluster \"k\": ");
    for user in [
        "client-key: k",
        "client-certificate: c",
        "client-key-data: '%'",
        "as: root",
        "auth-provider: {name: oidc}",
        "exec: {apiVersion: v1}",
        "exec: {apiVersion: client.authentication.k8s.io/v1}",
        "exec: {apiVersion: client.authentication.k8s.io/v1, command: p, interactiveMode: Always}",
    ] {
        check(fine, user, "/x (line 13): user \"u\": ");
    }
    let missing = text(fine, "").replace("user: u}", "user: z}");
    fails(
        resolved(&[("/x", &missing)], None),
        &["/x (line 3): context \"c\": its user \"z\" does not exist"],
    );
    let kinds = |cluster: &str, user: &str, wanted: &str| {
        let error = Merged::default().add(Path::new("/x"), text(cluster, user).as_bytes()).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    };
    kinds("server: 7", "", "(line 8: clusters.cluster.server is not text)");
    kinds(fine, "token: [hunter2]", "(line 13: users.user.token is not text)");
}

#[test]
fn malformed_files_are_located_but_not_quoted() {
    let mut merged = Merged::default();
    let mut check = |text: &str, place: &str| {
        let error = merged.add(Path::new("/x"), text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("/x") && error.contains(place) && !error.contains("hunter2"), "{error}");
    };
    check("users:\n- name: u\n  user: {token: [hunter2", "line 4");
    check("users:\n- name: u\n  user: {token: [hunter2]}", "users.user.token");
    check("hunter2", "the whole is not an object");
    check("users: hunter2", "users is not a list");
    check("base: &b {users: [hunter2]}\n<<: *b", " (users.the whole is not an object)");
    check("users: [hunter2]", "(line 1: users.the whole is not an object)");
    assert!(merged.add(Path::new("/empty"), b"").is_ok());
}

#[test]
fn users() {
    let check = |text: &str, wanted: Credentials| assert_eq!(user(text).unwrap().credentials, wanted);
    let basic = |password: &str| Credentials::Basic { username: "n".into(), password: Secret::new(password) };
    check("", Credentials::None);
    check(r#""token":"t""#, Credentials::Token(Secret::new("t")));
    check(r#""token":"t","tokenFile":"../t""#, Credentials::TokenFile("/kube/../t".into()));
    check(r#""tokenFile":"/abs/t""#, Credentials::TokenFile("/abs/t".into()));
    check(r#""username":"n","password":"p""#, basic("p"));
    fails(user(r#""as":"root""#), &["/kube/config", "user \"u\"", "impersonates"]);
    fails(user(r#""auth-provider":{"name":"gcp"}"#), &["auth-provider", "gcp", "exec"]);
    fails(user(r#""auth-provider":{"name":"oidc"}"#), &["auth-provider", "kubelogin"]);
    fails(user(r#""client-certificate-data":"YQ==""#), &["no key"]);
    fails(user(r#""client-key":"k""#), &["no certificate"]);
    fails(user(r#""client-key-data":"%""#), &["client-key-data", "base64"]);
}

#[test]
fn identities_may_be_inline_or_files() {
    let identity = user(r#""client-certificate":"c.pem","client-key":"wrong","client-key-data":"YWJj""#)
        .unwrap()
        .identity;
    assert_eq!(identity, Some((Pem::File("/kube/c.pem".into()), Pem::Inline(b"abc".to_vec()))));
}

#[test]
fn plugins() {
    let exec = |rest: &str| {
        user(&format!(
            r#""exec":{{"apiVersion":"client.authentication.k8s.io/v1","command":"bin/p","env":null,{rest}"args":["a"]}}"#
        ))
    };
    let Credentials::Exec(plugin) =
        exec(r#""provideClusterInfo":true,"interactiveMode":"IfAvailable","#).unwrap().credentials
    else {
        panic!("no plugin")
    };
    assert_eq!(plugin.command, PathBuf::from("/kube/bin/p"));
    assert_eq!(plugin.cluster, Some(json!({"server":"http://h"})));
    fails(exec(r#""interactiveMode":"Always","#), &["interactiveMode"]);
    fails(
        user(r#""exec":{"apiVersion":"client.authentication.k8s.io/v1alpha1","command":"p"}"#),
        &["v1alpha1", "v1beta1"],
    );
    fails(
        user(r#""exec":{"apiVersion":"client.authentication.k8s.io/v1","command":null}"#),
        &["exec.command"],
    );
}

#[test]
fn clusters() {
    let trust = |text: &str| cluster(text).unwrap().trust;
    assert_eq!(trust(r#""server":"https://h","insecure-skip-tls-verify":true"#), Trust::Anyone);
    assert_eq!(
        trust(r#""server":"https://h","certificate-authority":"ca.crt""#),
        Trust::Authorities(Pem::File("/kube/ca.crt".into()))
    );
    assert_eq!(
        trust(r#""server":"https://h","certificate-authority-data":"YWJj","certificate-authority":"ca.crt""#),
        Trust::Authorities(Pem::Inline(b"abc".to_vec()))
    );

    let config = cluster(r#""server":"http://h","proxy-url":"http://p:3128""#).unwrap();
    assert_eq!(config.proxy, Some(Secret::new("http://p:3128")));
    assert!(!format!("{config:?}").contains("3128"));
    let proxy = |url: &str| cluster(&format!(r#""server":"http://h","proxy-url":"{url}""#));
    assert_eq!(proxy("socks5://u:p@p").unwrap().proxy, Some(Secret::new("socks5://u:p@p")));
    fails(proxy("socks4://u:hunter2@p"), &["cluster \"k\"", "scheme socks4://", "socks5://host"]);
    fails(proxy("p:3128"), &["cluster \"k\"", "has no scheme; begin it with"]);
    fails(proxy("http://"), &["cluster \"k\"", "not a proxy URL"]);
    fails(cluster(r#""server":"h:6443""#), &["/kube/config", "cluster \"k\"", "https://"]);
    // As kubectl takes it, where the cluster says something about TLS.
    let server = |text: &str| cluster(text).unwrap().server.to_string();
    assert_eq!(server(r#""server":"h:6443","certificate-authority":"ca.crt""#), "https://h:6443");
    assert_eq!(server(r#""server":"10.0.0.1","insecure-skip-tls-verify":"yes""#), "https://10.0.0.1:443");
    fails(cluster(r#""server":"h/path","certificate-authority":"ca.crt""#), &["a path and no scheme", "; "]);
    let warnings = |text: &str| cluster(text).unwrap().warnings;
    assert!(
        warnings(r#""server":"https://h","insecure-skip-tls-verify":true"#)[0]
            .contains("insecure-skip-tls-verify")
    );
    assert!(warnings(r#""server":"https://h","insecure-skip-tls-verify":"off""#).is_empty());
}
