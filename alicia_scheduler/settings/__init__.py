"""The settings: what there is (`groups`), where it comes from (`loading`), and the page about it (`reference`)."""

from __future__ import annotations

from alicia_scheduler.settings.groups import (
    ActionsSettings,
    AliciaSettings,
    HttpSettings,
    LoggingSettings,
    MqttPublishSettings,
    MqttSettings,
    PublishSettings,
    SchedulerSettings,
    Settings,
    StoreSettings,
    TlsSettings,
)
from alicia_scheduler.settings.loading import DEFAULT_FILE, load_settings
from alicia_scheduler.settings.reference import settings_markdown

__all__ = [
    "DEFAULT_FILE", "ActionsSettings", "AliciaSettings", "HttpSettings", "LoggingSettings", "MqttPublishSettings",
    "MqttSettings", "PublishSettings", "SchedulerSettings", "Settings", "StoreSettings", "TlsSettings", "load_settings",
    "settings_markdown",
]  # fmt: skip
