"""What Croissant and dataset versions call the same things."""

from __future__ import annotations

from typing import Any, Final

SCHEMA_ORG: Final = "https://schema.org/"
CROISSANT: Final = "http://mlcommons.org/croissant/"
RAI: Final = "http://mlcommons.org/croissant/RAI/"

# The context that MLCommons gives, to be copied as it is, and `rai` from the vocabulary of the same name.
CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": SCHEMA_ORG,
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": CROISSANT,
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": RAI,
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": SCHEMA_ORG,
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

# Types of columns, and what Croissant calls them.
TYPES: Final = {
    "text": "sc:Text",
    "integer": "sc:Integer",
    "number": "sc:Float",
    "boolean": "sc:Boolean",
    "date": "sc:Date",
    "time": "sc:DateTime",
}

# Members of a dataset version's profile that are one text, and what the RAI vocabulary calls them.
RAI_TEXTS: Final = {
    "collection_process": "rai:dataCollection",
    "raw_data": "rai:dataCollectionRawData",
    "intended_use": "rai:dataUseCases",
    "personal_data_description": "rai:personalSensitiveInformation",
    "preparation": "rai:dataPreprocessingProtocol",
    "missing_data": "rai:dataCollectionMissingData",
    "imputation": "rai:dataImputationProtocol",
    "social_impact": "rai:dataSocialImpact",
    "maintenance": "rai:dataReleaseMaintenancePlan",
}
# Those that are several.
RAI_LISTS: Final = {
    "collection_types": "rai:dataCollectionType",
    "known_biases": "rai:dataBiases",
    "limitations": "rai:dataLimitations",
}
