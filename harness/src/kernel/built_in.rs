//! Which modules are built into a kernel, where no `modules.builtin` lists them: the configuration tells, or else the image.

use super::config::Config;

/// A module that a case may need.
struct Known {
    name: &'static str,
    /// Its option.
    option: &'static str,
    /// A text in its source, which an image has only if the module is built in. Without one, the image does not show it.
    mark: Option<&'static str>,
}

const KNOWN: [Known; 9] = [
    known("af_packet", "CONFIG_PACKET", Some("RefCnt Type Proto  Iface R Rmem")),
    known("cls_matchall", "CONFIG_NET_CLS_MATCHALL", None),
    known("sch_ingress", "CONFIG_NET_SCH_INGRESS", None),
    known("tun", "CONFIG_TUN", Some("net/tun")),
    known("veth", "CONFIG_VETH", Some("veth: Peer MTU is too large to set XDP")),
    // The parameters of a module have its name before them only if it is built in (include/linux/moduleparam.h).
    known("virtio_net", "CONFIG_VIRTIO_NET", Some("virtio_net.napi_tx")),
    known("virtio_pci", "CONFIG_VIRTIO_PCI", Some("virtio_pci.force_legacy")),
    known("vsock", "CONFIG_VSOCKETS", None),
    known("vsock_loopback", "CONFIG_VSOCKETS_LOOPBACK", None),
];

const fn known(name: &'static str, option: &'static str, mark: Option<&'static str>) -> Known {
    Known { name, option, mark }
}

/// A module's name, with its option if it is known.
pub(super) fn with_option(module: &str) -> String {
    let option = KNOWN.iter().find(|known| known.name == module).map(|known| known.option);
    option.map_or_else(|| module.to_owned(), |option| format!("{module} ({option})"))
}

/// The modules that are built in by this configuration.
pub(super) fn of_config(config: &Config) -> impl Iterator<Item = &'static str> {
    KNOWN.iter().filter(|known| config.value(known.option) == Some("y")).map(|known| known.name)
}

/// The modules that are certainly built into this unpacked kernel.
pub(super) fn of_image(vmlinux: &[u8]) -> impl Iterator<Item = &'static str> {
    let is_in = |mark: &str| memchr::memmem::find(vmlinux, mark.as_bytes()).is_some();
    KNOWN.iter().filter(move |known| known.mark.is_some_and(is_in)).map(|known| known.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_or_the_image_tells_what_is_built_in() {
        let config = Config::parse("CONFIG_VETH=y\nCONFIG_TUN=m\nCONFIG_PACKET=y\n");
        assert_eq!(of_config(&config).collect::<Vec<_>>(), ["af_packet", "veth"]);
        let image = b"\0net/tun\0napi_tx\0virtio_pci.force_legacy\0";
        assert_eq!(of_image(image).collect::<Vec<_>>(), ["tun", "virtio_pci"]);
    }
}
