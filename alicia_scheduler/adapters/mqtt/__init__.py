"""The MQTT side of the service: ``MqttBus`` keeps one connection up and speaks MQTT 5, or 3.1.1 where it must."""

from alicia_scheduler.adapters.mqtt.bus import MqttBus
from alicia_scheduler.adapters.mqtt.options import MqttOptions, TlsOptions

__all__ = ["MqttBus", "MqttOptions", "TlsOptions"]
