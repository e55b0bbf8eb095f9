//! An image with busybox, built by the test.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{Host, bounded, finish, succeed};

pub const BUSYBOX_IMAGE: &str = "docker.io/library/busybox:probelet";

const APPLETS: [&str; 21] = [
    "cat", "chmod", "chown", "date", "dd", "df", "echo", "env", "grep", "hostname", "id", "ls",
    "mkdir", "mount", "rm", "sh", "sleep", "stat", "tar", "touch", "true",
];

impl Host {
    /// Imports an image with two layers: busybox, and the users root and `web` (101:102, also in
    /// the group `log`, 4). `config` is added to the image's configuration (`User`, …).
    pub fn busybox_image(&self, config: &Value) -> Result<()> {
        let dir = self.path("busybox-image");
        let blobs = dir.join("layout/blobs/sha256");
        fs::create_dir_all(&blobs)?;
        let (programs, users) = (dir.join("programs"), dir.join("users"));
        fs::create_dir_all(programs.join("bin"))?;
        fs::create_dir_all(users.join("etc"))?;
        let program = succeed(finish(bounded("sh").args(["-c", "command -v busybox"]), "")?)?;
        fs::copy(program.trim_end(), programs.join("bin/busybox")).context("no busybox")?;
        for applet in APPLETS {
            symlink("busybox", programs.join("bin").join(applet))?;
        }
        for folder in ["proc", "dev", "tmp", "sys"] {
            fs::create_dir(programs.join(folder))?;
        }
        let passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:101:102::/srv:/bin/sh\n";
        fs::write(users.join("etc/passwd"), passwd)?;
        fs::write(
            users.join("etc/group"),
            "root:x:0:\nwheel:x:10:root\nweb:x:102:\nlog:x:4:web\n",
        )?;

        let layers = [self.layer(&blobs, &programs)?, self.layer(&blobs, &users)?];
        let digests: Vec<_> = layers.iter().map(|(digest, _)| digest.clone()).collect();
        let mut own = json!({ "Env": ["PATH=/bin"], "WorkingDir": "/" });
        crate::target::extend(&mut own, config.clone());
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = json!({
            "architecture": architecture, "os": "linux", "config": own,
            "rootfs": { "type": "layers", "diff_ids": digests },
        });
        let (config, config_size) = self.blob(&blobs, config.to_string().as_bytes())?;
        let media = "application/vnd.oci.image";
        let layers = layers.iter().map(|(digest, size)| {
            json!({ "mediaType": format!("{media}.layer.v1.tar"), "digest": digest, "size": size })
        });
        let manifest = json!({
            "schemaVersion": 2, "mediaType": format!("{media}.manifest.v1+json"),
            "config": {
                "mediaType": format!("{media}.config.v1+json"), "digest": config,
                "size": config_size,
            },
            "layers": layers.collect::<Vec<_>>(),
        });
        let (manifest, size) = self.blob(&blobs, manifest.to_string().as_bytes())?;
        let index = json!({
            "schemaVersion": 2, "mediaType": format!("{media}.index.v1+json"),
            "manifests": [{
                "mediaType": format!("{media}.manifest.v1+json"), "digest": manifest, "size": size,
                "platform": { "os": "linux", "architecture": architecture },
                "annotations": { "io.containerd.image.name": BUSYBOX_IMAGE },
            }],
        });
        let layout = dir.join("layout");
        fs::write(layout.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}")?;
        fs::write(layout.join("index.json"), index.to_string())?;
        let archive = dir.join("image.tar");
        tar(&archive, &layout)?;
        self.ctr(["image".as_ref(), "import".as_ref(), archive.as_os_str()])?;
        fs::remove_dir_all(dir)?;
        Ok(())
    }

    fn layer(&self, blobs: &Path, folder: &Path) -> Result<(String, u64)> {
        let archive = folder.with_extension("tar");
        tar(&archive, folder)?;
        self.blob(blobs, &fs::read(archive)?)
    }

    fn blob(&self, blobs: &Path, bytes: &[u8]) -> Result<(String, u64)> {
        let file = blobs.join("new");
        fs::write(&file, bytes)?;
        let sum = succeed(finish(bounded("sha256sum").arg(&file), "")?)?;
        let digest = sum.split(' ').next().context("no sum")?;
        fs::rename(&file, blobs.join(digest))?;
        Ok((format!("sha256:{digest}"), u64::try_from(bytes.len())?))
    }
}

fn tar(archive: &Path, folder: &Path) -> Result<()> {
    let mut tar = bounded("tar");
    tar.args(["--create", "--owner=0", "--group=0", "--numeric-owner", "--file"]).arg(archive);
    succeed(finish(tar.arg("--directory").arg(folder).arg("."), "")?).map(drop)
}
