<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="fr" sourcelanguage="en">
  <context>
    <name>Geocloud</name>
    <message>
      <source>Adapt the model to your scenes</source>
      <translation>Adapter le modèle à vos scènes</translation>
    </message>
    <message>
      <source>Makes a model of your own from the default, with scenes of which you know what is clear.</source>
      <translation>Fait de celui par défaut un modèle à vous, avec des scènes dont vous savez ce qui est clair.</translation>
    </message>
    <message>
      <source>Makes a model of your own from the default, in minutes, and measures it on scenes that it did not see. Three clear scenes are a start. A model that is worse is not written. Choose its folder in Detect clouds.</source>
      <translation>Fait de celui par défaut un modèle à vous, en quelques minutes, et le mesure sur des scènes qu'il n'a pas vues. Trois scènes claires suffisent pour commencer. Un modèle moins bon n'est pas écrit. Choisissez son dossier dans Détecter les nuages.</translation>
    </message>
    <message>
      <source>what the model calls cloud there was wrong.</source>
      <translation>ce que le modèle y appelle nuage est faux.</translation>
    </message>
    <message>
      <source>what it calls clear there was wrong.</source>
      <translation>ce qu'il y appelle clair est faux.</translation>
    </message>
    <message>
      <source>those of the masks or polygons below; with nothing known of them the threshold alone adapts.</source>
      <translation>celles des masques ou polygones ci-dessous ; si rien n'en est connu, seul le seuil s'adapte.</translation>
    </message>
    <message>
      <source>polygons of a run that you corrected; their column scene says of which scenes they tell all.</source>
      <translation>les polygones d'un traitement, que vous avez corrigés ; leur colonne scene dit de quelles scènes ils disent tout.</translation>
    </message>
    <message>
      <source>masks named like the scenes.</source>
      <translation>des masques qui portent le nom des scènes.</translation>
    </message>
    <message>
      <source>more learn longer.</source>
      <translation>plus il y en a, plus l'apprentissage est long.</translation>
    </message>
    <message>
      <source>of all random numbers.</source>
      <translation>de tous les nombres aléatoires.</translation>
    </message>
    <message>
      <source>otherwise nothing is written where it is worse on the scenes held out.</source>
      <translation>sinon rien n'est écrit s'il est moins bon sur les scènes mises de côté.</translation>
    </message>
    <message>
      <source>otherwise a model that exists stays as it is.</source>
      <translation>sinon un modèle existant reste tel quel.</translation>
    </message>
    <message>
      <source>the model's folder.</source>
      <translation>le dossier du modèle.</translation>
    </message>
    <message>
      <source>Choose at least one scene.</source>
      <translation>Choisissez au moins une scène.</translation>
    </message>
    <message>
      <source>the model is in {folder}</source>
      <translation>le modèle est dans {folder}</translation>
    </message>
    <message>
      <source>Scenes that are wholly clear</source>
      <translation>Scènes entièrement claires</translation>
    </message>
    <message>
      <source>Scenes that are wholly cloud</source>
      <translation>Scènes entièrement nuageuses</translation>
    </message>
    <message>
      <source>Other scenes</source>
      <translation>Autres scènes</translation>
    </message>
    <message>
      <source>Corrected clouds</source>
      <translation>Nuages corrigés</translation>
    </message>
    <message>
      <source>Folder of corrected masks</source>
      <translation>Dossier de masques corrigés</translation>
    </message>
    <message>
      <source>Steps</source>
      <translation>Étapes</translation>
    </message>
    <message>
      <source>Seed</source>
      <translation>Graine</translation>
    </message>
    <message>
      <source>Write a worse model too</source>
      <translation>Écrire aussi un modèle moins bon</translation>
    </message>
    <message>
      <source>Replace files that exist</source>
      <translation>Remplacer les fichiers qui existent</translation>
    </message>
    <message>
      <source>Model</source>
      <translation>Modèle</translation>
    </message>
    <message>
      <source>Parameters</source>
      <translation>Paramètres</translation>
    </message>
    <message>
      <source>Results</source>
      <translation>Résultats</translation>
    </message>
    <message>
      <source>{file} has other tables ({names}), which would be lost; choose another file.</source>
      <translation>{file} contient d'autres tables ({names}), qui seraient perdues ; choisissez un autre fichier.</translation>
    </message>
    <message>
      <source>Warning: {text}</source>
      <translation>Avertissement : {text}</translation>
    </message>
    <message>
      <source>Cancelled; nothing was written.</source>
      <translation>Annulé ; rien n'a été écrit.</translation>
    </message>
    <message>
      <source>The layer {name} has no polygons, or none of them is selected.</source>
      <translation>La couche {name} n'a pas de polygones, ou aucun n'est sélectionné.</translation>
    </message>
    <message>
      <source>The layer {name} has no CRS; choose it in the layer's properties.</source>
      <translation>La couche {name} n'a pas de SCR ; choisissez-le dans les propriétés de la couche.</translation>
    </message>
    <message>
      <source>only this rectangle, such as the visible part of the map; empty: the whole scene.</source>
      <translation>seulement ce rectangle, comme la partie visible de la carte ; vide : l'image entière.</translation>
    </message>
    <message>
      <source>only inside these polygons, also only the selected ones; empty: the whole scene.</source>
      <translation>seulement dans ces polygones, aussi les seuls sélectionnés ; vide : l'image entière.</translation>
    </message>
    <message>
      <source>Area: a part of the scene</source>
      <translation>Zone : une partie de l'image</translation>
    </message>
    <message>
      <source>Area: polygons of a layer</source>
      <translation>Zone : polygones d'une couche</translation>
    </message>
    <message>
      <source>{program} is not a working geocloud</source>
      <translation>{program} n'est pas un geocloud qui fonctionne</translation>
    </message>
    <message>
      <source>{program} did not answer within {seconds} seconds</source>
      <translation>{program} n'a pas répondu en {seconds} secondes</translation>
    </message>
    <message>
      <source>{program} cannot be started ({reason})</source>
      <translation>{program} ne peut pas être lancé ({reason})</translation>
    </message>
    <message>
      <source>blue</source>
      <translation>bleu</translation>
    </message>
    <message>
      <source>green</source>
      <translation>vert</translation>
    </message>
    <message>
      <source>red</source>
      <translation>rouge</translation>
    </message>
    <message>
      <source>near infrared</source>
      <translation>proche infrarouge</translation>
    </message>
    <message>
      <source>infrared 1.6 µm</source>
      <translation>infrarouge 1,6 µm</translation>
    </message>
    <message>
      <source>infrared 2.2 µm</source>
      <translation>infrarouge 2,2 µm</translation>
    </message>
    <message>
      <source>cirrus</source>
      <translation>cirrus</translation>
    </message>
    <message>
      <source>as the file says</source>
      <translation>selon le fichier</translation>
    </message>
    <message>
      <source>none</source>
      <translation>aucune</translation>
    </message>
    <message>
      <source>{place} (file)</source>
      <translation>{place} (fichier)</translation>
    </message>
    <message>
      <source>Check installation</source>
      <translation>Vérifier l'installation</translation>
    </message>
    <message>
      <source>Shows whether the geocloud program is found and works.</source>
      <translation>Montre si le programme geocloud est trouvé et fonctionne.</translation>
    </message>
    <message>
      <source>Shows where the geocloud program is, its versions and device, and whether projections work there.</source>
      <translation>Montre où est le programme geocloud, ses versions et son matériel, et si les projections y fonctionnent.</translation>
    </message>
    <message>
      <source>text to copy into a question.</source>
      <translation>texte à copier dans une question.</translation>
    </message>
    <message>
      <source>the program's version.</source>
      <translation>version du programme.</translation>
    </message>
    <message>
      <source>Report</source>
      <translation>Rapport</translation>
    </message>
    <message>
      <source>Version of geocloud</source>
      <translation>Version de geocloud</translation>
    </message>
    <message>
      <source>Clouds in a series of dates</source>
      <translation>Nuages dans une série de dates</translation>
    </message>
    <message>
      <source>Masks cloud and cloud shadow in three or more dates of one place.</source>
      <translation>Masque nuages et ombres de nuage dans trois dates ou plus d'un même lieu.</translation>
    </message>
    <message>
      <source>Masks cloud and cloud shadow in three or more dates of one place. What the dates agree on is ground, also where it is as bright as cloud.</source>
      <translation>Masque nuages et ombres de nuage dans trois dates ou plus d'un même lieu. Ce que les dates ont en commun est le sol, même là où il est aussi clair qu'un nuage.</translation>
    </message>
    <message>
      <source>a mask per date: 0 clear, 1 cloud, 5 cloud shadow, 255 no data.</source>
      <translation>un masque par date : 0 clair, 1 nuage, 5 ombre de nuage, 255 sans donnée.</translation>
    </message>
    <message>
      <source>Cloud-free composite</source>
      <translation>Composite sans nuages</translation>
    </message>
    <message>
      <source>Makes one cloud-free image from several dates of one place.</source>
      <translation>Fait une image sans nuages de plusieurs dates d'un même lieu.</translation>
    </message>
    <message>
      <source>Composite</source>
      <translation>Composite</translation>
    </message>
    <message>
      <source>how many masks.</source>
      <translation>nombre de masques.</translation>
    </message>
    <message>
      <source>Number of masks</source>
      <translation>Nombre de masques</translation>
    </message>
    <message>
      <source>{count} masks</source>
      <translation>{count} masques</translation>
    </message>
    <message>
      <source>the pixels that were clear on some date, 0 to 1.</source>
      <translation>part des pixels clairs à au moins une date, de 0 à 1.</translation>
    </message>
    <message>
      <source>how many dates.</source>
      <translation>nombre de dates.</translation>
    </message>
    <message>
      <source>median or weighted mean of the clear dates; or one date per pixel: medoid or best.</source>
      <translation>médiane ou moyenne pondérée des dates claires ; ou une date par pixel : medoid ou best.</translation>
    </message>
    <message>
      <source>masks named like the scenes, as detect and series write them; what is missing is made.</source>
      <translation>masques nommés comme les images, tels que detect et series les écrivent ; ceux qui manquent sont faits.</translation>
    </message>
    <message>
      <source>reflectance per band, then the number of clear dates and the date shown.</source>
      <translation>réflectance par bande, puis le nombre de dates claires et la date montrée.</translation>
    </message>
    <message>
      <source>Fraction filled</source>
      <translation>Fraction remplie</translation>
    </message>
    <message>
      <source>Number of dates</source>
      <translation>Nombre de dates</translation>
    </message>
    <message>
      <source>{count} dates, {percent} % filled</source>
      <translation>{count} dates, {percent} % rempli</translation>
    </message>
    <message>
      <source>Folder of masks</source>
      <translation>Dossier de masques</translation>
    </message>
    <message>
      <source>a series</source>
      <translation>une série</translation>
    </message>
    <message>
      <source>Method</source>
      <translation>Méthode</translation>
    </message>
    <message>
      <source>{scene} cloud mask</source>
      <translation>{scene} masque de nuages</translation>
    </message>
    <message>
      <source>{width} × {height} pixels of {pixel}, {crs}</source>
      <translation>{width} × {height} pixels de {pixel}, {crs}</translation>
    </message>
    <message>
      <source>reflectance = value × {scale}</source>
      <translation>réflectance = valeur × {scale}</translation>
    </message>
    <message>
      <source>{width} × {height} pixels, without georeference</source>
      <translation>{width} × {height} pixels, sans géoréférencement</translation>
    </message>
    <message>
      <source>no data {value}</source>
      <translation>sans donnée {value}</translation>
    </message>
    <message>
      <source>Detect clouds</source>
      <translation>Détecter les nuages</translation>
    </message>
    <message>
      <source>Finds the clouds of a satellite scene: mask, polygons and score.</source>
      <translation>Trouve les nuages d'une image satellite : masque, polygones et score.</translation>
    </message>
    <message>
      <source>{scene} cloud polygons</source>
      <translation>{scene} polygones de nuages</translation>
    </message>
    <message>
      <source>{scene} cloud score</source>
      <translation>{scene} score de nuage</translation>
    </message>
    <message>
      <source>{scene} probability of each class</source>
      <translation>{scene} probabilité de chaque classe</translation>
    </message>
    <message>
      <source>{scene} uncertainty</source>
      <translation>{scene} incertitude</translation>
    </message>
    <message>
      <source>{scene} ground without cloud</source>
      <translation>{scene} sol sans nuages</translation>
    </message>
    <message>
      <source>cloud among the valid pixels, 0 to 1.</source>
      <translation>part de nuage parmi les pixels valides, de 0 à 1.</translation>
    </message>
    <message>
      <source>how many polygons.</source>
      <translation>nombre de polygones.</translation>
    </message>
    <message>
      <source>Cloud fraction</source>
      <translation>Fraction de nuage</translation>
    </message>
    <message>
      <source>Number of polygons</source>
      <translation>Nombre de polygones</translation>
    </message>
    <message>
      <source>Choose a scene: a layer, or a file, folder or address below it.</source>
      <translation>Choisissez une image : une couche, ou un fichier, un dossier ou une adresse en dessous.</translation>
    </message>
    <message>
      <source>Give a layer or a product as the scene, not both.</source>
      <translation>Donnez une couche ou un produit comme image, pas les deux.</translation>
    </message>
    <message>
      <source>Give a rectangle or polygons as the area, not both.</source>
      <translation>Donnez un rectangle ou des polygones comme zone, pas les deux.</translation>
    </message>
    <message>
      <source>Probability</source>
      <translation>Probabilité</translation>
    </message>
    <message>
      <source>a raster with at least blue, green and red. One band of a Sentinel-2 or Landsat product, of a folder of band files or of an archive stands for the whole.</source>
      <translation>un raster avec au moins bleu, vert et rouge. Une bande d'un produit Sentinel-2 ou Landsat, d'un dossier de bandes ou d'une archive vaut pour le tout.</translation>
    </message>
    <message>
      <source>a product that is not on the map: a .SAFE or Landsat folder, an archive, a STAC item, a URL.</source>
      <translation>un produit qui n'est pas sur la carte : un dossier .SAFE ou Landsat, une archive, un élément STAC, une URL.</translation>
    </message>
    <message>
      <source>a pixel is cloud from this probability on, 0 to 1; more finds less cloud. Empty: the model's own threshold, 0.5.</source>
      <translation>un pixel est nuage à partir de cette probabilité, de 0 à 1 ; plus haut, moins de nuage. Vide : le seuil du modèle, 0,5.</translation>
    </message>
    <message>
      <source>what the mask tells apart: cloud, thin cloud, haze, dust, shadow, snow.</source>
      <translation>ce que le masque distingue : nuage, nuage fin, brume, poussière, ombre, neige.</translation>
    </message>
    <message>
      <source>smaller clouds are left out of mask and polygons; 0 keeps all, as a scene without georeference does.</source>
      <translation>les nuages plus petits sont omis du masque et des polygones ; 0 les garde tous, comme pour une image sans géoréférencement.</translation>
    </message>
    <message>
      <source>a score in the model's own unit, or a rule of its card; empty: the model's own.</source>
      <translation>un score dans l'unité du modèle, ou une règle de sa fiche ; vide : celui du modèle.</translation>
    </message>
    <message>
      <source>clouds of the mask are grown by this many pixels.</source>
      <translation>les nuages du masque sont agrandis de ce nombre de pixels.</translation>
    </message>
    <message>
      <source>score at this pixel size; coarser is faster. Empty: the coarsest that costs little accuracy.</source>
      <translation>calculer le score à cette taille de pixel ; plus grossier est plus rapide. Vide : aussi grossier que le modèle le permet sans grande perte.</translation>
    </message>
    <message>
      <source>bf16 is quicker; auto takes it where the model and the machine allow it.</source>
      <translation>bf16 est plus rapide ; auto le prend si le modèle et la machine le permettent.</translation>
    </message>
    <message>
      <source>otherwise results that exist stay as they are.</source>
      <translation>sinon, les résultats qui existent restent tels quels.</translation>
    </message>
    <message>
      <source>0 clear, 1 cloud, 2 thin cloud, 3 haze, 4 dust, 5 cloud shadow, 6 snow, 255 no data.</source>
      <translation>0 clair, 1 nuage, 2 nuage fin, 3 brume, 4 poussière, 5 ombre de nuage, 6 neige, 255 sans donnée.</translation>
    </message>
    <message>
      <source>one per cloud, with class, area_m2 (on the ellipsoid) and mean_score.</source>
      <translation>un par nuage, avec class, area_m2 (sur l'ellipsoïde) et mean_score.</translation>
    </message>
    <message>
      <source>the probability of cloud, 0 to 1.</source>
      <translation>la probabilité de nuage, de 0 à 1.</translation>
    </message>
    <message>
      <source>a band for clear and for each class that the model can tell; on the map a style for each.</source>
      <translation>une bande pour le ciel clair et pour chaque classe que le modèle distingue ; sur la carte, un style pour chacune.</translation>
    </message>
    <message>
      <source>how far the probability of cloud of mirrored views lies apart, 0 to 0.5; takes four times as long.</source>
      <translation>l'écart entre les probabilités de nuage de vues en miroir, de 0 à 0,5 ; prend quatre fois plus de temps.</translation>
    </message>
    <message>
      <source>an estimate of the ground's reflectance under the clouds, of a model that can tell it.</source>
      <translation>une estimation de la réflectance du sol sous les nuages, par un modèle qui le permet.</translation>
    </message>
    <message>
      <source>Scene: a layer</source>
      <translation>Image : une couche</translation>
    </message>
    <message>
      <source>… or a file, folder or address</source>
      <translation>… ou un fichier, un dossier, une adresse</translation>
    </message>
    <message>
      <source>Classes of the mask</source>
      <translation>Classes du masque</translation>
    </message>
    <message>
      <source>Smallest cloud (m²)</source>
      <translation>Plus petit nuage (m²)</translation>
    </message>
    <message>
      <source>Threshold</source>
      <translation>Seuil</translation>
    </message>
    <message>
      <source>Grow clouds (pixels)</source>
      <translation>Agrandir les nuages (pixels)</translation>
    </message>
    <message>
      <source>Resolution (metres per pixel)</source>
      <translation>Résolution (mètres par pixel)</translation>
    </message>
    <message>
      <source>Precision</source>
      <translation>Précision</translation>
    </message>
    <message>
      <source>Cloud mask</source>
      <translation>Masque de nuages</translation>
    </message>
    <message>
      <source>Cloud polygons</source>
      <translation>Polygones de nuages</translation>
    </message>
    <message>
      <source>Cloud score</source>
      <translation>Score de nuage</translation>
    </message>
    <message>
      <source>Probability of each class</source>
      <translation>Probabilité de chaque classe</translation>
    </message>
    <message>
      <source>Uncertainty</source>
      <translation>Incertitude</translation>
    </message>
    <message>
      <source>Ground without cloud</source>
      <translation>Sol sans nuages</translation>
    </message>
    <message>
      <source>Export…</source>
      <translation>Exporter…</translation>
    </message>
    <message>
      <source>The layer {name} is not a raster file, which the program needs.</source>
      <translation>La couche {name} n'est pas un fichier raster, or le programme en a besoin.</translation>
    </message>
    <message>
      <source>Install the program</source>
      <translation>Installer le programme</translation>
    </message>
    <message>
      <source>Folder…</source>
      <translation>Dossier…</translation>
    </message>
    <message>
      <source>Install</source>
      <translation>Installer</translation>
    </message>
    <message>
      <source>Cancel</source>
      <translation>Annuler</translation>
    </message>
    <message>
      <source>Remove</source>
      <translation>Supprimer</translation>
    </message>
    <message>
      <source>Folder of wheels</source>
      <translation>Dossier de wheels</translation>
    </message>
    <message>
      <source>This plugin was tested with {version}.</source>
      <translation>Cette extension a été testée avec {version}.</translation>
    </message>
    <message>
      <source>Folder of wheels:</source>
      <translation>Dossier de wheels :</translation>
    </message>
    <message>
      <source>only for a computer without network</source>
      <translation>seulement pour un ordinateur sans réseau</translation>
    </message>
    <message>
      <source>the program and all it needs</source>
      <translation>le programme et tout ce dont il a besoin</translation>
    </message>
    <message>
      <source>Update</source>
      <translation>Mettre à jour</translation>
    </message>
    <message>
      <source>QGIS's proxy is one of SOCKS, which pip cannot use; give a folder of wheels.</source>
      <translation>Le proxy de QGIS est de type SOCKS, que pip ne sait pas utiliser ; indiquez un dossier de wheels.</translation>
    </message>
    <message>
      <source>Removed.</source>
      <translation>Supprimé.</translation>
    </message>
    <message>
      <source>Version {version} is installed in {folder}.</source>
      <translation>La version {version} est installée dans {folder}.</translation>
    </message>
    <message>
      <source>Cancelled; nothing was installed.</source>
      <translation>Annulé ; rien n'a été installé.</translation>
    </message>
    <message>
      <source>Installed: {program}</source>
      <translation>Installé : {program}</translation>
    </message>
    <message>
      <source>Install puts version {version} into the profile folder.</source>
      <translation>« Installer » met la version {version} dans le dossier du profil.</translation>
    </message>
    <message>
      <source>{folder} has no wheel of geocloud {version}</source>
      <translation>{folder} n'a pas de wheel de geocloud {version}</translation>
    </message>
    <message>
      <source>has the folder all packages' wheels, for this system and this version of Python?</source>
      <translation>le dossier contient-il les wheels de tous les paquets, pour ce système et cette version de Python ?</translation>
    </message>
    <message>
      <source>install Python from python.org, on Debian and Ubuntu the package python3-venv, or uv</source>
      <translation>installez Python depuis python.org, sur Debian et Ubuntu le paquet python3-venv, ou uv</translation>
    </message>
    <message>
      <source>Making a virtual environment</source>
      <translation>Création d'un environnement virtuel</translation>
    </message>
    <message>
      <source>Fetching and installing packages</source>
      <translation>Téléchargement et installation des paquets</translation>
    </message>
    <message>
      <source>Testing the program</source>
      <translation>Essai du programme</translation>
    </message>
    <message>
      <source>is there a network, and is QGIS's proxy right (Settings ▸ Options ▸ Network)?</source>
      <translation>le réseau est-il accessible, et le proxy de QGIS est-il juste (Préférences ▸ Options ▸ Réseau) ?</translation>
    </message>
    <message>
      <source>This copy of the plugin was made without the program's wheel</source>
      <translation>Cette copie de l'extension a été faite sans le wheel du programme</translation>
    </message>
    <message>
      <source>choose a folder of wheels with it</source>
      <translation>choisissez un dossier de wheels qui le contient</translation>
    </message>
    <message>
      <source>close what uses it and try again</source>
      <translation>fermez ce qui l'utilise et réessayez</translation>
    </message>
    <message>
      <source>No Python {version} or newer with venv and pip was found</source>
      <translation>Aucun Python {version} ou plus récent avec venv et pip n’a été trouvé</translation>
    </message>
    <message>
      <source>{folder} cannot be removed ({reason})</source>
      <translation>{folder} ne peut pas être supprimé ({reason})</translation>
    </message>
    <message>
      <source>{folder} has no program after the installation</source>
      <translation>{folder} n'a pas de programme après l'installation</translation>
    </message>
    <message>
      <source>The input is not a raster layer that QGIS can open.</source>
      <translation>L'entrée n'est pas une couche raster que QGIS peut ouvrir.</translation>
    </message>
    <message>
      <source>The layer {name} is not a raster file. Export it as a GeoTIFF and take that.</source>
      <translation>La couche {name} n'est pas un fichier raster. Exportez-la en GeoTIFF et prenez celui-ci.</translation>
    </message>
    <message>
      <source>{source} cannot be copied to a GeoTIFF ({reason}).</source>
      <translation>{source} ne peut pas être copié en GeoTIFF ({reason}).</translation>
    </message>
    <message>
      <source>{named} is neither the program geocloud nor a folder or virtual environment with it</source>
      <translation>{named} n'est ni le programme geocloud, ni un dossier ou un environnement virtuel qui le contient</translation>
    </message>
    <message>
      <source>The program geocloud was not found on this computer</source>
      <translation>Le programme geocloud n'a pas été trouvé sur cet ordinateur</translation>
    </message>
    <message>
      <source>install it, or choose where it is, in Raster ▸ Geocloud ▸ Settings</source>
      <translation>installez-le, ou indiquez où il est, dans Raster ▸ Geocloud ▸ Paramètres</translation>
    </message>
    <message>
      <source>{named}, named in the variable {variable}, is neither the program geocloud nor a folder with it</source>
      <translation>{named}, nommé dans la variable {variable}, n'est ni le programme geocloud, ni un dossier qui le contient</translation>
    </message>
    <message>
      <source>correct it in Raster ▸ Geocloud ▸ Settings</source>
      <translation>corrigez-le dans Raster ▸ Geocloud ▸ Paramètres</translation>
    </message>
    <message>
      <source>correct the variable</source>
      <translation>corrigez la variable</translation>
    </message>
    <message>
      <source>update the older of the two</source>
      <translation>mettez à jour le plus ancien des deux</translation>
    </message>
    <message>
      <source>{program} speaks protocol {theirs}, the plugin protocol {ours}</source>
      <translation>{program} parle le protocole {theirs}, l'extension le protocole {ours}</translation>
    </message>
    <message>
      <source>Cloud mask to polygons</source>
      <translation>Masque de nuages en polygones</translation>
    </message>
    <message>
      <source>Turns a cloud mask into polygons with areas on the ellipsoid.</source>
      <translation>Transforme un masque de nuages en polygones avec des surfaces sur l'ellipsoïde.</translation>
    </message>
    <message>
      <source>Turns a cloud mask, also an edited one, into polygons.</source>
      <translation>Transforme un masque de nuages, même retouché, en polygones.</translation>
    </message>
    <message>
      <source>Apply cloud mask</source>
      <translation>Appliquer le masque de nuages</translation>
    </message>
    <message>
      <source>Writes a scene with its clouds as no data.</source>
      <translation>Écrit une image dont les nuages deviennent sans donnée.</translation>
    </message>
    <message>
      <source>the raster that the mask was made from.</source>
      <translation>le raster dont vient le masque.</translation>
    </message>
    <message>
      <source>Apply cloud mask to several layers</source>
      <translation>Appliquer un masque de nuages à plusieurs couches</translation>
    </message>
    <message>
      <source>Writes several layers of one grid with the clouds of one mask as no data.</source>
      <translation>Écrit plusieurs couches d'une même grille avec les nuages d'un masque comme sans donnée.</translation>
    </message>
    <message>
      <source>otherwise they are written only.</source>
      <translation>sinon ils sont seulement écrits.</translation>
    </message>
    <message>
      <source>Add the files to the map</source>
      <translation>Ajouter les fichiers à la carte</translation>
    </message>
    <message>
      <source>numbers of the mask, as in 1,2,5; empty: all but clear.</source>
      <translation>nombres du masque, comme 1,2,5 ; vide : tous sauf clair.</translation>
    </message>
    <message>
      <source>the value that clouds get; empty: the scene's own, else one that no pixel has.</source>
      <translation>la valeur que prennent les nuages ; vide : celle de l'image, sinon une qu'aucun pixel n'a.</translation>
    </message>
    <message>
      <source>{scene} without clouds</source>
      <translation>{scene} sans nuages</translation>
    </message>
    <message>
      <source>clouds smaller than this many square metres are left out.</source>
      <translation>les nuages plus petits que cette surface en mètres carrés sont omis.</translation>
    </message>
    <message>
      <source>the score of the same run, for mean_score; smooth outlines need it.</source>
      <translation>le score du même calcul, pour mean_score ; les contours lisses en ont besoin.</translation>
    </message>
    <message>
      <source>one per cloud, with class and area_m2 (on the ellipsoid).</source>
      <translation>un par nuage, avec class et area_m2 (sur l'ellipsoïde).</translation>
    </message>
    <message>
      <source>the pixels that became no data, among all, 0 to 1.</source>
      <translation>part des pixels devenus sans donnée, de 0 à 1.</translation>
    </message>
    <message>
      <source>a GeoTIFF with the scene's bands.</source>
      <translation>un GeoTIFF avec les bandes de l'image.</translation>
    </message>
    <message>
      <source>Fraction removed</source>
      <translation>Fraction retirée</translation>
    </message>
    <message>
      <source>rasters on the mask's grid, such as bands, indices or products of one date.</source>
      <translation>des rasters sur la grille du masque, comme bandes, indices ou produits d'une date.</translation>
    </message>
    <message>
      <source>a GeoTIFF per layer, named like the layer's file.</source>
      <translation>un GeoTIFF par couche, nommé comme le fichier de la couche.</translation>
    </message>
    <message>
      <source>Codes to remove</source>
      <translation>Codes à enlever</translation>
    </message>
    <message>
      <source>Nodata value</source>
      <translation>Valeur sans donnée</translation>
    </message>
    <message>
      <source>{scene} polygons</source>
      <translation>{scene} polygones</translation>
    </message>
    <message>
      <source>Scene</source>
      <translation>Image</translation>
    </message>
    <message>
      <source>Scene without clouds</source>
      <translation>Image sans nuages</translation>
    </message>
    <message>
      <source>Layers</source>
      <translation>Couches</translation>
    </message>
    <message>
      <source>Folder</source>
      <translation>Dossier</translation>
    </message>
    <message>
      <source>Log</source>
      <translation>Journal</translation>
    </message>
    <message>
      <source>no valid pixels</source>
      <translation>aucun pixel valide</translation>
    </message>
    <message>
      <source>Copy</source>
      <translation>Copier</translation>
    </message>
    <message>
      <source>1 polygon</source>
      <translation>1 polygone</translation>
    </message>
    <message>
      <source>1 warning</source>
      <translation>1 avertissement</translation>
    </message>
    <message>
      <source>{percent} % cloud</source>
      <translation>{percent} % de nuage</translation>
    </message>
    <message>
      <source>{count} polygons</source>
      <translation>{count} polygones</translation>
    </message>
    <message>
      <source>{count} warnings</source>
      <translation>{count} avertissements</translation>
    </message>
    <message>
      <source>reflectance = value * scale + offset; empty: as the file says.</source>
      <translation>réflectance = valeur * échelle + décalage ; vide : selon le fichier.</translation>
    </message>
    <message>
      <source>added after the scale; empty: as the file says.</source>
      <translation>ajouté après l'échelle ; vide : selon le fichier.</translation>
    </message>
    <message>
      <source>a value that is no data, in every band; empty: as the file says.</source>
      <translation>une valeur sans donnée, dans chaque bande ; vide : selon le fichier.</translation>
    </message>
    <message>
      <source>a model's name or folder, such as one that you adapted, or an ONNX file; empty: the program's default.</source>
      <translation>le nom ou le dossier d'un modèle, par exemple un modèle que vous avez adapté, ou un fichier ONNX ; vide : celui par défaut du programme.</translation>
    </message>
    <message>
      <source>which band is which, as in blue=1,green=2,red=3,nir=4; empty: as the file says.</source>
      <translation>quelle bande est laquelle, comme blue=1,green=2,red=3,nir=4 ; vide : selon le fichier.</translation>
    </message>
    <message>
      <source>where the network runs.</source>
      <translation>où le réseau de neurones tourne.</translation>
    </message>
    <message>
      <source>scoring threads; empty: one per core.</source>
      <translation>fils de calcul ; vide : un par cœur.</translation>
    </message>
    <message>
      <source>geocloud's own, Sentinel-2's SCL, Landsat's QA_PIXEL, or those of other programs; empty: as the mask says.</source>
      <translation>ceux de geocloud, le SCL de Sentinel-2, le QA_PIXEL de Landsat ou ceux d'autres programmes ; vide : selon le masque.</translation>
    </message>
    <message>
      <source>along the pixels' edges, or smooth, between their centres; the mask stays as it is.</source>
      <translation>le long des bords des pixels, ou smooth, lisse, entre leurs centres ; le masque reste tel quel.</translation>
    </message>
    <message>
      <source>the dates of one place, on one grid. One band of a product or folder stands for the whole.</source>
      <translation>les dates d'un même lieu, sur une grille. Une bande d'un produit ou d'un dossier vaut pour le tout.</translation>
    </message>
    <message>
      <source>of a Zarr or netCDF of several times: a date, its beginning, or a number from 0.</source>
      <translation>d'un Zarr ou netCDF à plusieurs dates : une date, son début, ou un numéro à partir de 0.</translation>
    </message>
    <message>
      <source>refuse scenes that claim more; empty: the program's limit.</source>
      <translation>refuser les images qui en annoncent plus ; vide : la limite du programme.</translation>
    </message>
    <message>
      <source>for a STAC item or virtual raster you trust. A layer that QGIS has opened needs no leave.</source>
      <translation>pour un élément STAC ou un raster virtuel de confiance. Une couche ouverte par QGIS n'en a pas besoin.</translation>
    </message>
    <message>
      <source>Bands</source>
      <translation>Bandes</translation>
    </message>
    <message>
      <source>Device</source>
      <translation>Matériel</translation>
    </message>
    <message>
      <source>Threads</source>
      <translation>Fils de calcul</translation>
    </message>
    <message>
      <source>Codes of the mask</source>
      <translation>Codes du masque</translation>
    </message>
    <message>
      <source>Outlines of the polygons</source>
      <translation>Contours des polygones</translation>
    </message>
    <message>
      <source>Scenes</source>
      <translation>Images</translation>
    </message>
    <message>
      <source>Scale to reflectance</source>
      <translation>Échelle vers la réflectance</translation>
    </message>
    <message>
      <source>Offset to reflectance</source>
      <translation>Décalage vers la réflectance</translation>
    </message>
    <message>
      <source>Time</source>
      <translation>Date</translation>
    </message>
    <message>
      <source>Most pixels</source>
      <translation>Nombre maximal de pixels</translation>
    </message>
    <message>
      <source>Read files outside the scene's folder</source>
      <translation>Lire des fichiers hors du dossier de l'image</translation>
    </message>
    <message>
      <source>Detect clouds…</source>
      <translation>Détecter les nuages…</translation>
    </message>
    <message>
      <source>Cloud threshold</source>
      <translation>Seuil des nuages</translation>
    </message>
    <message>
      <source>Settings…</source>
      <translation>Paramètres…</translation>
    </message>
    <message>
      <source>The layer {name} cannot be read: its file is not where it was.</source>
      <translation>La couche {name} ne peut pas être lue : son fichier n'est plus où il était.</translation>
    </message>
    <message>
      <source>other than the model's own</source>
      <translation>autre que celui du modèle</translation>
    </message>
    <message>
      <source>Opening the scene and the model</source>
      <translation>Ouverture de l'image et du modèle</translation>
    </message>
    <message>
      <source>Looking for clouds</source>
      <translation>Recherche des nuages</translation>
    </message>
    <message>
      <source>Tracing polygons</source>
      <translation>Tracé des polygones</translation>
    </message>
    <message>
      <source>Writing the results</source>
      <translation>Écriture des résultats</translation>
    </message>
    <message>
      <source>Comparing the dates</source>
      <translation>Comparaison des dates</translation>
    </message>
    <message>
      <source>Measuring the zones</source>
      <translation>Mesure des zones</translation>
    </message>
    <message>
      <source>Reading the scenes</source>
      <translation>Lecture des scènes</translation>
    </message>
    <message>
      <source>Measuring the model as it is</source>
      <translation>Mesure du modèle actuel</translation>
    </message>
    <message>
      <source>Learning</source>
      <translation>Apprentissage</translation>
    </message>
    <message>
      <source>Measuring the new model</source>
      <translation>Mesure du nouveau modèle</translation>
    </message>
    <message>
      <source>Clouds of {scene}</source>
      <translation>Nuages de {scene}</translation>
    </message>
    <message>
      <source>give more or other scenes</source>
      <translation>donnez davantage de scènes, ou d'autres</translation>
    </message>
    <message>
      <source>geocloud ended without a result</source>
      <translation>geocloud s'est terminé sans résultat</translation>
    </message>
    <message>
      <source>is this program really geocloud?</source>
      <translation>ce programme est-il bien geocloud ?</translation>
    </message>
    <message>
      <source>geocloud stopped unexpectedly ({ending})</source>
      <translation>geocloud s'est arrêté de façon inattendue ({ending})</translation>
    </message>
    <message>
      <source>signal {code}</source>
      <translation>signal {code}</translation>
    </message>
    <message>
      <source>exit code {code}</source>
      <translation>code de sortie {code}</translation>
    </message>
    <message>
      <source>geocloud failed ({ending})</source>
      <translation>geocloud a échoué ({ending})</translation>
    </message>
    <message>
      <source>The new model is worse ({worse}), and was not written</source>
      <translation>Le nouveau modèle est moins bon ({worse}) et n'a pas été écrit</translation>
    </message>
    <message>
      <source>This geocloud speaks protocol {theirs}, the plugin protocol {ours}</source>
      <translation>Ce geocloud parle le protocole {theirs}, l'extension le protocole {ours}</translation>
    </message>
    <message>
      <source>Geocloud settings</source>
      <translation>Paramètres de Geocloud</translation>
    </message>
    <message>
      <source>leave empty to find it automatically</source>
      <translation>laissez vide pour le trouver automatiquement</translation>
    </message>
    <message>
      <source>The program, its folder or its virtual environment</source>
      <translation>Le programme, son dossier ou son environnement virtuel</translation>
    </message>
    <message>
      <source>Test</source>
      <translation>Tester</translation>
    </message>
    <message>
      <source>Copy report</source>
      <translation>Copier le rapport</translation>
    </message>
    <message>
      <source>Testing…</source>
      <translation>Essai…</translation>
    </message>
    <message>
      <source>File…</source>
      <translation>Fichier…</translation>
    </message>
    <message>
      <source>The program geocloud:</source>
      <translation>Le programme geocloud :</translation>
    </message>
    <message>
      <source>The program's folder</source>
      <translation>Le dossier du programme</translation>
    </message>
    <message>
      <source>Works.</source>
      <translation>Fonctionne.</translation>
    </message>
    <message>
      <source>The installation is still going on.</source>
      <translation>L'installation est encore en cours.</translation>
    </message>
    <message>
      <source>named in the variable {variable}</source>
      <translation>nommé dans la variable {variable}</translation>
    </message>
    <message>
      <source>The program geocloud</source>
      <translation>Le programme geocloud</translation>
    </message>
    <message>
      <source>Zones</source>
      <translation>Zones</translation>
    </message>
    <message>
      <source>Advanced Parameters</source>
      <translation>Paramètres avancés</translation>
    </message>
    <message>
      <source>{tool} failed (exit code {code})</source>
      <translation>{tool} a échoué (code de sortie {code})</translation>
    </message>
    <message>
      <source>clear</source>
      <translation>clair</translation>
    </message>
    <message>
      <source>cloud</source>
      <translation>nuage</translation>
    </message>
    <message>
      <source>thin cloud</source>
      <translation>nuage fin</translation>
    </message>
    <message>
      <source>haze or smoke</source>
      <translation>brume ou fumée</translation>
    </message>
    <message>
      <source>dust</source>
      <translation>poussière</translation>
    </message>
    <message>
      <source>cloud shadow</source>
      <translation>ombre de nuage</translation>
    </message>
    <message>
      <source>snow or ice</source>
      <translation>neige ou glace</translation>
    </message>
    <message>
      <source>{percent} % cloud, the smallest clouds among it</source>
      <translation>{percent} % de nuages, les plus petits compris</translation>
    </message>
    <message>
      <source>Write mask and polygons…</source>
      <translation>Écrire masque et polygones…</translation>
    </message>
    <message>
      <source>Score layer:</source>
      <translation>Couche de score :</translation>
    </message>
    <message>
      <source>Run Detect clouds with the output Cloud score; its layer can be cut here.</source>
      <translation>Lancez Détecter les nuages avec la sortie Score de nuage ; le seuil de sa couche se règle ici.</translation>
    </message>
    <message>
      <source>a product's folder or archive, a STAC item, a URL</source>
      <translation>dossier ou archive d'un produit, élément STAC, URL</translation>
    </message>
    <message>
      <source>the program's default</source>
      <translation>celui du programme par défaut</translation>
    </message>
    <message>
      <source>Looking at the scene…</source>
      <translation>Lecture de l'image…</translation>
    </message>
    <message>
      <source>Product</source>
      <translation>Produit</translation>
    </message>
    <message>
      <source>the program's default: {name}</source>
      <translation>celui du programme par défaut : {name}</translation>
    </message>
    <message>
      <source>All files</source>
      <translation>Tous les fichiers</translation>
    </message>
    <message>
      <source>A raster in a database or in QGIS's memory: copied to a GeoTIFF when the run begins.</source>
      <translation>Un raster dans une base de données ou dans la mémoire de QGIS : copié en GeoTIFF au début de l'exécution.</translation>
    </message>
    <message>
      <source>Cloud cover of zones</source>
      <translation>Couverture nuageuse de zones</translation>
    </message>
    <message>
      <source>Measures the cloud cover of fields or other zones in one or more masks.</source>
      <translation>Mesure la couverture nuageuse de parcelles ou d'autres zones dans un ou plusieurs masques.</translation>
    </message>
    <message>
      <source>Measures the cloud cover of fields or other zones in one or more masks. A pixel on a zone's border counts by its share inside the zone.</source>
      <translation>Mesure la couverture nuageuse de parcelles ou d'autres zones dans un ou plusieurs masques. Un pixel au bord d'une zone compte selon sa part dans la zone.</translation>
    </message>
    <message>
      <source>the mean over the zones of one mask, 0 to 1; of several masks the table says it.</source>
      <translation>la moyenne des zones d'un masque, de 0 à 1 ; pour plusieurs masques, la table la donne.</translation>
    </message>
    <message>
      <source>one or more masks, such as the dates of a place.</source>
      <translation>un ou plusieurs masques, comme les dates d'un lieu.</translation>
    </message>
    <message>
      <source>polygons in any CRS, also only the selected ones.</source>
      <translation>polygones dans tout SCR, aussi les seuls sélectionnés.</translation>
    </message>
    <message>
      <source>a GeoPackage: each zone per mask, with date, cloud_percent, shadow_percent and valid_percent.</source>
      <translation>un GeoPackage : chaque zone par masque, avec date, cloud_percent, shadow_percent et valid_percent.</translation>
    </message>
    <message>
      <source>{zones} zones in {masks} masks</source>
      <translation>{zones} zones dans {masks} masques</translation>
    </message>
    <message>
      <source>Cloud masks</source>
      <translation>Masques de nuages</translation>
    </message>
  </context>
</TS>
