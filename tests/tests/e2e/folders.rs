//! The folder of the files that Python runs.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use ltel_tests::Scene;

/// Scenario: there is no HOME, as in many containers, or it is not writable.
/// Guarantees: the plugin is in a folder that only this user can enter.
#[apply(e2e)]
fn the_plugin_without_a_home() {
    for home in [None, Some("/dev/null")] {
        let scene = Scene::new();
        let mut ltel = scene.ltel(["plugin-path"]);
        match home {
            None => ltel.env_remove("HOME"),
            Some(home) => ltel.env("HOME", home),
        };
        let output = ltel.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let plugin = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end());
        assert!(plugin.join("ltel_locust/__init__.py").is_file(), "{}", plugin.display());
        let folder = plugin.parent().unwrap();
        assert!(folder.starts_with(scene.path("")), "{}", folder.display());
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}
